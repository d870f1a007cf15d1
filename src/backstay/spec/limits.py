"""How much of a `cluster.yaml` is read: a few times what the largest cluster needs.

A thousand hosts with all that can be said of one take 250 KiB and 20,000 values.
"""

from __future__ import annotations

LARGEST_BYTES = 1024 * 1024
"""Whoever reads the file need not read more than one byte beyond."""
MOST_VALUES = 60_000
"""Keys count too."""
DEEPEST = 20
"""How far values may nest; what is known nests five deep."""
MOST_PROBLEMS = 50
"""Whoever mends fifty looks again; telling of thousands would take seconds."""
