"""Faults as values: what can be done to a cluster, to whom, and the sh that does and undoes it."""
