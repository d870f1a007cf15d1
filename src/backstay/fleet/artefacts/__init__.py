"""Binaries by digest: found, fetched or built, and checked."""
