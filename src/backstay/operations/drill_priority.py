"""The clients of a drill come before the lab whose processors they share.

They stand for other computers: their lateness would be told as the cluster's
(docs/decisions/lab-processors.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from backstay.lab.processors import among_labs

CLIENTS_NICE = -18
"""Before etcd and the apiservers, after keepalived, which must never be late."""


@contextmanager
def favoured() -> Iterator[None]:
    """Let this process come first on a lab's processors while the block lasts, if it may."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(before, CLIENTS_NICE))
    try:
        with among_labs():
            yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)
