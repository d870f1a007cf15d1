"""Break a cluster on purpose, measure what its users see, and prove that nothing was lost."""
