"""Tables of text: columns as wide as their widest cell, no lines, heads in capitals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backstay.planning.look import Look, Tone

GAP = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, look: Look) -> str:
    """Return the table; cells may hold no colours, for their width would be wrong."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = [_line(row, widths) for row in (head, *rows)]
    return "\n".join((look.paint(Tone.STRONG, lines[0]), *lines[1:]))


def advice(moves: Iterable[str], look: Look) -> str:
    """Return what to type next as errors have it, each only once; empty if there is nothing."""
    label = look.paint(Tone.FAINT, "next")
    return "\n".join(f"  {label}   {move}" for move in dict.fromkeys(moves) if move)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
