"""Clients that write, read and watch, and record all that happens to them."""

import os

# gRPC tells on standard error of connections that end, in the midst of what is shown there.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
