"""Two drills side by side: which of them was better, and how many times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backstay.drill.report.figures import Better, Seen, Unit, figures
from backstay.drill.report.markup import Markup, Template, badge, joined, table, tag, whole
from backstay.planning.look import UNICODE

CHANCE = 0.05
"""Of a time: two drills of the same cluster differ by so much; counts are taken as they are."""

Document = Mapping[str, Any]
"""A drill's report, as `report.json` holds it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both drills; None is what was not seen in one of them."""

    title: str
    unit: Unit
    one: float | None
    other: float | None
    better: Better

    @property
    def ratio(self) -> float | None:
        """How many times A's value B's is; None if either is missing or A's is nothing."""
        return (
            None
            if self.one is None or self.other is None or not self.one
            else self.other / self.one
        )

    @property
    def winner(self) -> str:
        """`A` or `B`, empty if neither is better by more than chance, or it cannot be said."""
        if self.better is Better.NEITHER or self.one is None or self.other is None:
            return ""
        lower, higher = sorted((self.one, self.other))
        if higher - lower <= higher * (0 if self.unit is Unit.COUNT else CHANCE):
            return ""
        return "A" if self.one == lower else "B"

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Title, A, B, B / A and who is better, as people read them."""
        ratio = UNICODE.dash if self.ratio is None else f"{UNICODE.times}{self.ratio:.2f}"
        values = self.unit.words(self.one), self.unit.words(self.other)
        return self.title, *values, ratio, self.winner

    @property
    def document(self) -> dict[str, object]:
        """The row for programs."""
        return {
            "figure": self.title,
            "unit": self.unit.value,
            "a": self.one,
            "b": self.other,
            "ratio": self.ratio,
            "better": self.winner or None,
        }


def compared(one: Document, other: Document) -> Iterator[Row]:
    """Yield every figure that was seen in at least one of two reports."""
    first = {seen.title: seen for seen in _all(one)}
    second = {seen.title: seen for seen in _all(other)}
    for title, seen in {**first, **second}.items():
        values = [found[title].value if title in found else None for found in (first, second)]
        row = Row(title, seen.unit, values[0], values[1], seen.better)
        if row.one is not None or row.other is not None:
            yield row


def _all(report: Document) -> Iterator[Seen]:
    yield from figures(report["numbers"])
    for group in report["numbers"]["groups"]:
        of = f"of {group['clients']}, {group['action']}s"
        yield Seen(f"p50 {of}", Unit.MILLISECONDS, group["p50_milliseconds"], Better.LOWER)
        yield Seen(f"p99 {of}", Unit.MILLISECONDS, group["p99_milliseconds"], Better.LOWER)
        yield Seen(f"Longest gap {of}", Unit.SECONDS, group["gap_seconds"], Better.LOWER)


def comparison_page(one: Document, other: Document, template: Template) -> str:
    """Return two reports as one page of HTML."""
    parts = _head(one, other), _sides(one, other), _table(one, other), _both(one, other)
    title = f"{one['scenario']} on {one['cluster']} and {other['cluster']}"
    return whole(template, title=title, body=joined(parts))


def _head(one: Document, other: Document) -> Markup:
    scenarios = " and ".join(dict.fromkeys((one["scenario"], other["scenario"])))
    words = f"The better value is bold; times must differ by more than {CHANCE:.0%}."
    return tag(
        "header",
        tag("p", "two drills side by side", class_="over"),
        tag("h1", scenarios),
        tag("p", words, class_="explanation"),
    )


def _sides(one: Document, other: Document) -> Markup:
    return tag("div", _side("A", one), _side("B", other), class_="sides")


def _side(name: str, report: Document) -> Markup:
    about = f"cluster {report['cluster']} · {report['started'].replace('T', ' ')}"
    return tag(
        "section",
        tag("h2", f"{name}  ", badge(report["verdict"])),
        tag("p", report["sentence"]),
        tag("p", about, class_="over"),
        tag("pre", report["command"], tabindex="0", class_="command"),
    )


def _table(one: Document, other: Document) -> Markup:
    head = ("Figure", "A", "B", "B / A", "Better")
    lines = (
        tuple(_marked(row, cell, place) for place, cell in enumerate(row.cells))
        for row in compared(one, other)
    )
    return tag("section", tag("h2", "Numbers"), table("Times count from the fault", head, lines))


def _marked(row: Row, cell: str, place: int) -> str:
    """Return the better of two values in bold."""
    best = {"A": 1, "B": 2}.get(row.winner)
    return tag("b", cell) if place == best else cell


def _both(one: Document, other: Document) -> Markup:
    """Return the versions and settings of both, those that differ in bold."""
    return tag("section", tag("h2", "Versions, settings and load"), *_parts(one, other))


def _parts(one: Document, other: Document) -> Iterator[Markup]:
    for part in ("versions", "settings", "load"):
        names = {**one[part], **other[part]}
        rows = ((name, *_pair(one[part].get(name), other[part].get(name))) for name in names)
        yield table(part.capitalize(), ("Name", "A", "B"), rows)


def _pair(one: object, other: object) -> tuple[str, str]:
    texts = tuple(UNICODE.dash if value is None else str(value) for value in (one, other))
    if one == other:
        return texts[0], texts[1]
    return tag("b", texts[0]), tag("b", texts[1])
