"""Pure: what each part of a control plane needs on a host."""
