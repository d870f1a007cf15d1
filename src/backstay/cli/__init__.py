"""argv in, tables and progress out: the only room that prints or exits."""
