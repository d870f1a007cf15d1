"""`python -m bench [ROW…]`: measure, print the table, and write it down if asked.

Ends with 0 whatever the numbers say, and with 1 when something could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from backstay.errors import BackstayError
from bench.table import Row, document, table

# Each part is imported when it is measured, and what comes first is what disturbs others least.
PARTS: Mapping[str, str] = {
    "certificates": "bench.deciding:certificates_row",
    "plans": "bench.deciding:plans_row",
    "checker": "bench.checking:checker_row",
    "help": "bench.start:help_row",
    "cluster": "bench.cluster:cluster_rows",
    "create": "bench.creating:create_row",
    "whole": "bench.whole:whole_rows",
}
# Above this somebody else is at work too: ratios still hold, figures do not.
BUSY_LOAD = 1.5
BROKEN = (BackstayError, OSError, RuntimeError, subprocess.SubprocessError)


def main(argv: Sequence[str], *, parts: Mapping[str, str] = PARTS) -> int:
    """Measure the parts that are asked for, all by default."""
    asked = _arguments(argv, parts)
    # A part that is ended removes its lab; by default this signal would end us at once.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    rows: list[Row] = []
    broken: dict[str, str] = {}
    for name in asked.parts or parts:
        try:
            rows += _measure(name, parts[name])
        except BROKEN as error:
            broken[name] = _said(error)
            sys.stderr.write(f"{name} could not be measured: {broken[name]}\n")
    sys.stdout.write(f"{table(rows)}\n")
    if asked.output:
        written = {"computer": _computer(), "rows": document(rows), "broken": broken}
        asked.output.write_text(json.dumps(written, indent=2) + "\n")
    return 1 if broken else 0


def _arguments(argv: Sequence[str], parts: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="ROW", help=f"of {', '.join(parts)}")
    parser.add_argument("-o", "--output", type=Path, help="write the rows as JSON")
    parser.add_argument("-l", "--list", action="store_true", help="list what can be measured")
    asked = parser.parse_args(argv)
    if asked.list:
        sys.stdout.write("".join(f"{name}\n" for name in parts))
        parser.exit()
    if unknown := sorted(set(asked.parts) - parts.keys()):
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(parts)}")
    return asked


def _measure(name: str, place: str) -> list[Row]:
    """Measure one part, and say so on its rows when somebody else was at work before."""
    load = os.getloadavg()[0]
    sys.stderr.write(f"measuring {name}, at load {load:.1f} of {os.cpu_count()} processors\n")
    module, _, function = place.partition(":")
    measure: Callable[[], Row | list[Row]] = getattr(import_module(module), function)
    found = measure()
    rows = found if isinstance(found, list) else [found]
    for row in rows:
        sys.stderr.write(f"  {row.what}: {row.ours}, ratio {row.ratio:.3g}, {row.verdict}\n")
    busy = f"load was {load:.1f} before it began" if load > BUSY_LOAD else ""
    return [replace(row, note="; ".join(filter(None, (row.note, busy)))) for row in rows]


def _said(error: Exception) -> str:
    output = getattr(error, "output", None)
    return f"{error}\n{output}" if output else str(error)


def _computer() -> Mapping[str, object]:
    return {"processors": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
