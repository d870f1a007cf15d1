"""Pure: kinds of things on a host, each with its probe, diff and remedy."""
