"""Clients that write, read and watch, and record all that happens to them."""
