"""HTML from values: whatever is not markup already is escaped."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape

PLACE = re.compile(r"\{\{(\w+)\}\}")

SIGNS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("pass", "met"), ("✓", "good")),
    **dict.fromkeys(("fail", "missed"), ("✗", "bad")),
    **dict.fromkeys(("inconclusive", "unknown"), ("?", "doubt")),
    "not asked": ("–", "plain"),
}
"""Of each verdict and answer: a sign, and the class of its colour."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Template:
    """The texts that every page is made of: a frame with places, a style, a script."""

    frame: str
    style: str
    script: str


def tag(name: str, *children: str, **attributes: str) -> Markup:
    """Return an element; `class_` is the attribute class, and `aria_label` is aria-label."""
    return Markup(f"{void(name, **attributes)}{joined(children)}</{name}>")


def void(name: str, **attributes: str) -> Markup:
    """Return an element that can hold nothing, or the beginning of one that can."""
    given = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{''.join(given)}>")


def joined(children: Iterable[str]) -> Markup:
    """Return all of them one after the other, as markup."""
    return Markup("".join(one if isinstance(one, Markup) else escape(one) for one in children))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Return a table whose first column names its rows and whose others are set as numbers."""
    titles = (tag("th", one, scope="col") for one in head)
    lines = (
        tag("tr", tag("th", first, scope="row"), *(tag("td", one) for one in rest))
        for first, *rest in rows
    )
    inner = tag(
        "table", tag("caption", caption), tag("thead", tag("tr", *titles)), tag("tbody", *lines)
    )
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def badge(value: str) -> Markup:
    """Return a verdict or an answer as a sign and a word, so that it needs no colour."""
    sign, tone = SIGNS[value]
    return tag("span", f"{sign} {value}", class_=f"badge {tone}")


def data(name: str, value: object) -> Markup:
    """Return values for a script as JSON in which nothing can end its element."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(f'<script type="application/json" id="{escape(name)}">{text}</script>')


def whole(template: Template, *, title: str, body: Markup, script: Markup | None = None) -> str:
    """Return a page that loads nothing from anywhere and runs no script but the template's.

    `script` are the values that the template's script draws; without them there is none.
    """
    code = template.script if script is not None else ""
    ending = joined((script, Markup(f"<script>{code}</script>"))) if script is not None else ""
    places = {
        "policy": _policy(template.style, code),
        "title": escape(title),
        "style": template.style,
        "body": body,
        "script": ending,
    }
    return PLACE.sub(lambda found: places[found[1]], template.frame)


def _policy(style: str, script: str) -> str:
    """Return who may do what in the page: exactly this style and this script."""
    return escape(
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
