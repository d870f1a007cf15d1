"""`python -m bench [ROW…]`: measure, print the table, and write it down if asked."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from bench.table import Row, document, table

# Each row's function is imported when it is measured: imports would count for memory.
ROWS: Mapping[str, str] = {
    "certificates": "bench.deciding:certificates_row",
    "plans": "bench.deciding:plans_row",
    "help": "bench.start:help_row",
    "cluster": "bench.cluster:cluster_rows",
    "create": "bench.creating:create_row",
    "whole": "bench.whole:whole_rows",
}


def main() -> int:
    """Measure the rows that are asked for, all by default; each is shown as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("-o", "--output", type=Path, help="write the rows as JSON")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.rows) - ROWS.keys()):
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    sys.stderr.write(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    rows: list[Row] = []
    for name in asked.rows or ROWS:
        sys.stderr.write(f"measuring {name} …\n")
        rows += _measure(ROWS[name])
        sys.stderr.write(f"load {os.getloadavg()[0]:.1f}\n")
    sys.stdout.write(f"{table(rows)}\n")
    if asked.output:
        asked.output.write_text(json.dumps(document(rows), indent=2) + "\n")
    return 0


def _measure(place: str) -> list[Row]:
    module, _, function = place.partition(":")
    measure: Callable[[], Row | list[Row]] = getattr(import_module(module), function)
    found = measure()
    return found if isinstance(found, list) else [found]


if __name__ == "__main__":
    sys.exit(main())
