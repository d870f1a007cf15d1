"""Pure: which certificates must exist, why one must be re-issued, and issuing it."""
