"""Reach machines: look at them, change them, wait for them."""
