"""Command lines: flags as a table, what the owner adds to them, and how systemd reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from backstay.spec.model import ClusterSpec, Component

Flags = Mapping[str, str]

_SAFE = re.compile(r"[A-Za-z0-9_@+=:,./-]+")


def merged(spec: ClusterSpec, component: Component, flags: Flags) -> Flags:
    """Return the flags with the owner's over them; a flag may be written with or without dashes."""
    extra = spec.extra_flags.get(component, {})
    return {**flags, **{name.lstrip("-"): value for name, value in sorted(extra.items())}}


def command(program: str, flags: Flags, *, under: Sequence[str] = ()) -> str:
    """Return the ExecStart line of a unit, one flag a line; `under` is what becomes the program."""
    words = (*under, program, *(f"--{name}={value}" for name, value in flags.items()))
    return "ExecStart=" + " \\\n  ".join(word(text) for text in words)


def word(text: str) -> str:
    """Return the text as one word of a systemd command line, whatever is in it.

    Specifiers and variables are kept from being expanded (systemd.service(5), Command Lines).
    """
    if _SAFE.fullmatch(text):
        return text
    inner = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + inner.replace("%", "%%").replace("$", "$$") + '"'


def listed(*items: object) -> str:
    """Return the items as flags take lists: with commas."""
    return ",".join(str(item) for item in items)


def assigned(name: str, value: str) -> str:
    """Return a line of a file that EnvironmentFile= names; there nothing is expanded."""
    if _SAFE.fullmatch(value) or not value:
        return f"{name}={value}\n"
    inner = value
    for character in ("\\", '"', "`", "$"):
        inner = inner.replace(character, f"\\{character}")
    return f'{name}="{inner}"\n'
