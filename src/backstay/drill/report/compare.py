"""Two drills side by side: which of them was better, and how many times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backstay.drill.report import wording
from backstay.drill.report.figures import Better, Seen, Unit, figures
from backstay.drill.report.markup import Markup, Template, badge, joined, table, tag, whole
from backstay.drill.report.reading import Document
from backstay.planning.look import UNICODE, Marks

CHANCE = 0.05
"""Of a time: two drills of the same cluster differ by so much; counts are taken as they are."""

PARTS = ("versions", "settings", "load")
"""Of a report: what it was measured on, and with."""


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

    def cells(self, marks: Marks = UNICODE) -> tuple[str, str, str, str, str]:
        """Return title, A, B, B / A and who is better, as people read them."""
        ratio = marks.dash if self.ratio is None else f"{marks.times}{self.ratio:.2f}"
        one, other = (self.unit.words(seen, dash=marks.dash) for seen in (self.one, self.other))
        return self.title, one, other, ratio, self.winner

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


@dataclass(frozen=True, slots=True)
class Circumstance:
    """A version, a setting or a load of both drills in words; None is what one of them lacks."""

    part: str
    name: str
    one: str | None
    other: str | None

    def cells(self, marks: Marks = UNICODE) -> tuple[str, str, str]:
        """Return name, A and B."""
        return self.name, self.one or marks.dash, self.other or marks.dash


def circumstances(one: Document, other: Document) -> Iterator[Circumstance]:
    """Yield all versions, settings and loads of two reports."""
    for part in PARTS:
        for name in {**one[part], **other[part]}:
            values = (_said(report[part].get(name)) for report in (one, other))
            yield Circumstance(part, name.replace("_", " "), *values)


def _said(value: str | float | None) -> str | None:
    return f"{value:g}" if isinstance(value, int | float) else value


def strange(one: Document, other: Document) -> str:
    """Return why two drills can hardly be compared; empty if they can be."""
    if one["scenario"] == other["scenario"]:
        return ""
    return "Two different scenarios: the numbers differ by what was done, not only by whom."


def comparison_page(one: Document, other: Document, template: Template) -> str:
    """Return two reports as one page of HTML."""
    parts = _head(one, other), _sides(one, other), _table(one, other), _both(one, other)
    title = f"{one['scenario']} on {one['cluster']} and {other['cluster']}"
    return whole(template, title=title, body=joined(parts))


def _head(one: Document, other: Document) -> Markup:
    scenarios = " and ".join(dict.fromkeys((one["scenario"], other["scenario"])))
    words = f"The better value is bold; times must differ by more than {CHANCE:.0%}."
    doubt = strange(one, other)
    return tag(
        "header",
        tag("p", "two drills side by side", class_="over"),
        tag("h1", scenarios),
        tag("p", words, class_="explanation"),
        tag("p", f"! {doubt}", class_="doubtful") if doubt else "",
    )


def _sides(one: Document, other: Document) -> Markup:
    return tag("div", _side("A", one), _side("B", other), class_="sides")


def _side(name: str, report: Document) -> Markup:
    about = f"cluster {report['cluster']} · {wording.moment(report['started'])}"
    return tag(
        "section",
        tag("h2", f"{name}  ", badge(report["verdict"]), f" {report['scenario']}"),
        tag("p", report["sentence"]),
        tag("p", about, class_="over"),
        tag("pre", report["command"], tabindex="0", class_="command"),
    )


def _table(one: Document, other: Document) -> Markup:
    head = ("Figure", "A", "B", "B / A", "Better")
    lines = (
        tuple(_marked(row, cell, place) for place, cell in enumerate(row.cells()))
        for row in compared(one, other)
    )
    numbers = table("Times count from the fault", head, lines)
    return tag("section", tag("h2", "Numbers"), numbers, id="compared")


def _marked(row: Row, cell: str, place: int) -> str:
    """Return the better of two values in bold."""
    best = {"A": 1, "B": 2}.get(row.winner)
    return tag("b", cell) if place == best else cell


def _both(one: Document, other: Document) -> Markup:
    """Return the versions and settings of both, those that differ in bold."""
    parts = _parts(one, other)
    return tag("section", tag("h2", "Versions, settings and load"), *parts, id="circumstances")


def _parts(one: Document, other: Document) -> Iterator[Markup]:
    found = tuple(circumstances(one, other))
    for part in PARTS:
        rows = [_bold(each) for each in found if each.part == part]
        yield table(part.capitalize(), ("Name", "A", "B"), rows)


def _bold(each: Circumstance) -> tuple[str, ...]:
    name, *values = each.cells()
    return (name, *values) if each.one == each.other else (name, *(tag("b", one) for one in values))
