"""Where this computer gets its Debian packages, so that the image comes from the same place.

Both forms of sources are read: lines (`deb [options] uri suite components`) and stanzas
(`Types:`, `URIs:`, …: deb822). See sources.list(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from backstay.errors import PreflightError
from backstay.lab.commands import run

APT_DIRECTORY = Path("/etc/apt")
LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>.*)"
)
DISABLED = {"no", "false", "without", "off", "disable"}
PASSED_ON = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")

Stanza = Mapping[str, str]


def stanzas_from_lines(text: str) -> Iterable[Stanza]:
    """Read the one-line form."""
    for line in text.splitlines():
        if match := LINE.fullmatch(line.split("#")[0].strip()):
            yield {
                "Types": "deb",
                "URIs": match["uri"],
                "Suites": match["suite"],
                "Components": match["components"].strip(),
                **_options(match["options"] or ""),
            }


def _options(text: str) -> dict[str, str]:
    names = {"signed-by": "Signed-By", "arch": "Architectures", "trusted": "Trusted"}
    pairs = (option.partition("=") for option in text.split())
    return {names[name]: value for name, _, value in pairs if name in names}


def stanzas_from_deb822(text: str) -> Iterable[Stanza]:
    """Read the stanza form; a value that spans lines keeps its lines."""
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in (line for line in block.splitlines() if not line.startswith("#")):
            if line[:1] in {" ", "\t"}:
                fields[name] += f"\n{line}"
            elif ":" in line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields.get("Enabled", "yes").lower() not in DISABLED:
            yield fields


def for_suite(stanzas: Iterable[Stanza], suite: str) -> tuple[Stanza, ...]:
    """Return the binary sources of one Debian release, its updates and security fixes."""
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    chosen = []
    for stanza in stanzas:
        suites = [name for name in stanza.get("Suites", "").split() if name in wanted]
        if suites and "deb" in stanza.get("Types", "").split():
            chosen.append({**stanza, "Types": "deb", "Suites": " ".join(suites)})
    return tuple(chosen)


def render(stanzas: Iterable[Stanza]) -> str:
    """Return stanzas as the text of a `.sources` file."""
    return "\n".join(
        "".join(f"{name}: {value}\n" for name, value in stanza.items()) for stanza in stanzas
    )


def read_sources(suite: str, *, directory: Path = APT_DIRECTORY) -> str:
    """Return this computer's sources of the suite; PreflightError if it has none."""
    found = for_suite(_all_stanzas(directory), suite)
    if any(suite in stanza["Suites"].split() for stanza in found):
        return render(found)
    raise PreflightError(
        f"this computer has no source of packages for Debian {suite}",
        where=f"{directory}/sources.list and sources.list.d",
        why="the machines of a lab are made from it, by the mirror this computer uses",
        next_move=f"add a source for {suite} there, or use a Debian {suite} computer",
    )


def _all_stanzas(directory: Path) -> Iterable[Stanza]:
    for path in (directory / "sources.list", *sorted(directory.glob("sources.list.d/*.list"))):
        if path.is_file():
            yield from stanzas_from_lines(path.read_text())
    for path in sorted(directory.glob("sources.list.d/*.sources")):
        yield from stanzas_from_deb822(path.read_text())


async def acquire_options() -> str:
    """Return how this computer's apt fetches (proxies, checks of dates) as configuration."""
    dump = await run("apt-config", "dump", "Acquire")
    lines = [line for line in dump.splitlines() if line.startswith(PASSED_ON)]
    return "".join(f"{line}\n" for line in lines if not line.endswith('"";'))
