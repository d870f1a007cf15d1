"""One file per verb: its words, its help, and the call of its operation.

A verb imports its operation when it runs, so that help and completion stay fast.
"""
