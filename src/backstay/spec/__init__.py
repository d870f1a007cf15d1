"""Pure: what the owner of a cluster wishes, read from cluster.yaml."""
