"""Judge a history: what was acknowledged must be there, in an order that can be."""
