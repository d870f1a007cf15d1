"""One drill as one file of HTML that needs nothing else: for a boss, a colleague, a printer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from backstay.drill.history import SECOND
from backstay.drill.oracle.verdict import Finding, Verdict
from backstay.drill.report import wording
from backstay.drill.report.document import Drilled, document
from backstay.drill.report.figures import Seen, figures
from backstay.drill.report.markup import (
    Markup,
    Template,
    badge,
    data,
    joined,
    table,
    tag,
    void,
    whole,
)
from backstay.drill.report.numbers import Group
from backstay.drill.report.objectives import QUANTITIES, Result
from backstay.drill.report.timeline import slices, timeline

TILES = {
    "Longest time without an acknowledged write": "without an acknowledged write, at the longest",
    "Requests that failed": "requests failed at the endpoint",
    "Acknowledged writes lost": "acknowledged writes lost",
    "Until etcd had elected a leader": "until etcd had elected a leader",
    "Until the virtual address had moved": "until the virtual address had moved",
    "Nodes that were not Ready": "nodes were not Ready",
}
"""The figures that are shown large, in these words."""

SINGULAR = {
    "requests failed at the endpoint": "request failed at the endpoint",
    "acknowledged writes lost": "acknowledged write lost",
    "nodes were not Ready": "node was not Ready",
}
"""The same words beside exactly one."""


def page(found: Drilled, template: Template) -> str:
    """Return the page."""
    header = found.header
    body = joined(
        (
            _head(found),
            _tiles(found),
            _objectives(found.results),
            _timeline(found),
            _numbers(found),
            _findings(found),
            _circumstances(found),
            TERMS,
        )
    )
    values = data("drill", timeline(found.history, found.numbers))
    title = f"{header.scenario} on {header.cluster}: {found.verdict}"
    return whole(template, title=title, body=body, script=values)


def section(title: str, *children: str, name: str) -> Markup:
    """Return a part of a page under its heading, to which `#name` leads."""
    return tag("section", tag("h2", title), *children, id=name)


def _head(found: Drilled) -> Markup:
    header = found.header
    targets = f"on {', '.join(header.targets)}" if header.targets else ""
    where = f"drill of cluster {header.cluster} · {wording.moment(header.started)}"
    return tag(
        "header",
        tag("p", where, class_="over"),
        tag("h1", found.sentence),
        tag(
            "p",
            badge(found.verdict.value),
            " ",
            tag("strong", header.scenario),
            " ",
            tag("span", targets, class_="targets"),
            class_="what",
        ),
        tag("p", header.explanation, class_="explanation"),
    )


def _tiles(found: Drilled) -> Markup:
    seen = {one.title: one for one in _figures(found)}
    shown = (
        (seen[title], words) for title, words in TILES.items() if seen[title].value is not None
    )
    tiles = (_tile(one, words) for one, words in shown)
    return tag("ul", *tiles, class_="tiles", aria_label="The most important numbers")


def _tile(one: Seen, words: str) -> Markup:
    told = SINGULAR.get(words, words) if one.value == 1 else words
    return tag("li", tag("b", one.words), " ", tag("span", told), class_="tile")


def _figures(found: Drilled) -> Iterator[Seen]:
    numbers = document(found)["numbers"]
    if isinstance(numbers, Mapping):
        yield from figures(numbers)


def _objectives(results: Iterable[Result]) -> Markup:
    rows = [
        (
            joined((str(one.objective), " ", tag("small", QUANTITIES[one.objective.name].meaning))),
            "not seen" if one.seen is None else _seen(one, one.seen),
            badge(one.answer.value),
        )
        for one in results
    ]
    if not rows:
        return Markup()
    head = ("Objective", "Seen", "Answer")
    return section("Objectives", table("What was asked for", head, rows), name="objectives")


def _seen(result: Result, value: float) -> str:
    is_time = QUANTITIES[result.objective.name].is_time
    return wording.seconds(value) if is_time else wording.count(value)


def _timeline(found: Drilled) -> Markup:
    groups = dict.fromkeys(one.group for one in found.header.clients if not one.watches)
    filters = (_box("group", one, one) for one in groups)
    actions = (_box("action", value, f"{value}s") for value in ("write", "read"))
    return section(
        "What happened when",
        tag(
            "div",
            tag("fieldset", tag("legend", "Clients"), *filters),
            tag("fieldset", tag("legend", "Requests"), *actions),
            tag("fieldset", tag("legend", "View"), *(_button(*one) for one in BUTTONS)),
            class_="controls",
        ),
        LEGEND,
        CHART,
        tag("p", _clock(found), class_="clock"),
        tag(
            "details",
            tag("summary", "The same as a table"),
            table("The drill, slice by slice", SLICE_HEAD, _slices(found)),
        ),
        name="timeline",
    )


def _clock(found: Drilled) -> str:
    began = wording.moment(found.header.started)
    return f"Seconds count from the drill’s beginning, {began}."


BUTTONS = (
    ("in", "+", "Zoom in"),
    ("out", "−", "Zoom out"),
    ("fault", "Fault", "Show the fault"),
    ("all", "Whole drill", "Show the whole drill"),
)

LEGEND = Markup(
    '<p class="legend" aria-hidden="true">'
    '<span class="ok">■ ok</span> <span class="fail">✕ failed</span> '
    '<span class="unknown">◇ unknown: no answer, may have happened</span> '
    '<span class="unknown">├─┤ longest gap</span> '
    "<span>┊ another leader or holder</span> "
    "<span><b>■</b> nobody, or two at once</span> "
    '<span class="hint">Drag to zoom, wheel too; shift and drag to move; double-click for all. '
    "Keys: ← → + − 0, f for the fault</span></p>"
)

CHART = Markup(
    '<div class="chart"><canvas id="chart" tabindex="0" role="img" aria-describedby="visible" '
    'aria-label="Every operation by time and latency, on a logarithmic scale"></canvas>'
    '<div id="tip" class="tip" hidden></div></div>'
    '<p id="visible" class="visible" aria-live="polite"></p>'
    "<noscript><p>The picture needs JavaScript; the table below holds the same.</p></noscript>"
)


def _box(kind: str, value: str, text: str) -> Markup:
    chosen = {"type": "checkbox", "checked": "", f"data_{kind}": value}
    return tag("label", void("input", **chosen), " ", text)


def _button(name: str, text: str, meaning: str) -> Markup:
    return tag("button", text, type="button", data_view=name, title=meaning, aria_label=meaning)


SLICE_HEAD = ("Seconds", "Acknowledged", "Failed", "Unknown", "Slowest answer", "What happened")


def _slices(found: Drilled) -> Iterator[tuple[str, ...]]:
    for one in slices(found.history):
        yield (
            f"{one.begin / SECOND:g}–{one.end / SECOND:g}",
            wording.count(one.acknowledged),
            wording.count(one.failed),
            wording.count(one.unknown),
            wording.milliseconds(one.longest),
            "; ".join(one.events),
        )


GROUP_HEAD = (
    *("Clients", "Operations", "Ok", "Failed", "Unknown", "Told to retry", "Held back"),
    *("p50", "p99", "Slowest", "Longest gap"),
)


def _numbers(found: Drilled) -> Markup:
    rows = ((one.title, "not seen" if one.value is None else one.words) for one in _figures(found))
    errors = ((name, wording.count(many)) for name, many in found.numbers.errors.items())
    spread = ((name, wording.count(many)) for name, many in found.numbers.sessions.items())
    return section(
        "Numbers",
        tag(
            "div",
            table("Times count from the fault", ("Figure", "Value"), rows),
            table("Errors at the endpoint", ("Error", "Requests"), errors)
            if found.numbers.errors
            else "",
            table("Balancers' connections at the end", ("Apiserver", "Connections"), spread)
            if found.numbers.sessions
            else "",
            class_="beside",
        ),
        table("By clients", GROUP_HEAD, (_group(one) for one in found.numbers.groups)),
        name="numbers",
    )


def _group(one: Group) -> tuple[str, ...]:
    counts = (one.operations, one.ok, one.failed, one.unknown, one.told_to_retry, one.held_back)
    latencies = (one.p50, one.p99, one.longest)
    gap = None if one.gap is None else one.gap.seconds
    return (
        f"{one.name}, {one.action}s",
        *(wording.count(value) for value in counts),
        *(wording.milliseconds(value) for value in latencies),
        wording.seconds(gap),
    )


def _findings(found: Drilled) -> Markup:
    return section("Evidence", *map(_finding, found.judgement.findings), name="evidence")


def _finding(one: Finding) -> Markup:
    line = joined((badge(one.verdict.value), " ", tag("strong", one.check), " ", one.what))
    if not one.evidence:
        return tag("p", line, class_="finding")
    shown = tag("pre", "\n".join(one.evidence), tabindex="0")
    opened = {} if one.verdict is Verdict.PASS else {"open": ""}
    return tag("details", tag("summary", line), shown, class_="finding", **opened)


def _circumstances(found: Drilled) -> Markup:
    header = found.header
    load = {name.replace("_", " "): f"{value:g}" for name, value in sorted(header.load.items())}
    clients = wording.plural(len(header.clients), "client")
    parts = (("Versions", header.versions), ("Settings", header.settings), ("Load", load))
    return section(
        "How it was done, and how to do it again",
        tag("pre", header.command, tabindex="0", class_="command"),
        tag("p", f"Seed {header.seed}, {clients}; {_places(found)}."),
        tag(
            "div",
            *(table(name, ("Name", "Value"), values.items()) for name, values in parts if values),
            class_="beside",
        ),
        name="repeat",
    )


def _places(found: Drilled) -> str:
    header = found.header
    members = ", ".join(header.members) or "not said"
    return f"etcd on {members}; apiservers on {', '.join(header.planes) or 'not said'}"


TERMS = Markup(
    "<footer><h2>Words</h2><dl>"
    "<dt>ok</dt><dd>The store acknowledged it: the caller may rely on it.</dd>"
    "<dt>failed</dt><dd>It certainly did not happen, and the caller knows.</dd>"
    "<dt>unknown</dt><dd>No answer came: it may have happened, or may not. Its caller sees an"
    " error, so it counts as a failed request.</dd>"
    "<dt>told to retry</dt><dd>429 or 503 with Retry-After, or GOAWAY: Kubernetes’ clients try"
    " again by themselves, and their callers see nothing.</dd>"
    "<dt>gap</dt><dd>The longest time between two acknowledged operations of the same clients,"
    " from the fault on.</dd>"
    "<dt>held back</dt><dd>Called late, since the request before had no answer yet.</dd>"
    "</dl></footer>"
)
