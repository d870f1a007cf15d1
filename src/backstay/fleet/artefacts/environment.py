"""What a build sees of the user's environment: how to reach modules, and nothing else.

go.sum proves every module, whichever way it came, so the ways are the user's choice. Everything
else could change bytes, or make another compiler out of the one that was asked who it is; it is
dropped unless it is listed, because nobody knows what the next Go or gcc will read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.programs import run

WAYS_TO_MODULES = (
    "GOPROXY",
    "GONOPROXY",
    "GOSUMDB",
    "GONOSUMDB",
    "GONOSUMCHECK",
    "GOPRIVATE",
    "GOINSECURE",
    "GOVCS",
    "GOAUTH",
)
"""Also what `go env -w` may have written down, and what is asked of the user's Go."""

ALLOWED = frozenset(
    (
        "PATH",
        "HOME",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NETRC",
        "SSH_AUTH_SOCK",
        *(f"{one}_proxy" for one in ("http", "https", "no")),
        *(f"{one}_PROXY" for one in ("HTTP", "HTTPS", "NO")),
        *WAYS_TO_MODULES,
    )
)


def closed(base: Mapping[str, str]) -> dict[str, str]:
    """Return what may be let through of an environment."""
    return {name: value for name, value in base.items() if name in ALLOWED}


def environment(places: Places, base: Mapping[str, str]) -> dict[str, str]:
    """Return what Go sees when it builds: our caches, our compiler, and the user's ways out."""
    return closed(base) | {
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
        "GOMODCACHE": str(places.module_cache),
        "GOCACHE": str(places.build_cache),
        "GOOS": "linux",
        "GOARCH": "amd64",
        "GOAMD64": "v1",
        # Those whose identity `compiler.py` asks for, whatever was compiled into this Go.
        "CC": "gcc",
        "PKG_CONFIG": "pkg-config",
    }


async def user_choices(pinned: Path, base: Mapping[str, str]) -> dict[str, str]:
    """Return how the user's Go reaches modules: the environment, and what `go env -w` wrote down.

    The Go on the PATH is asked, for it may have settings of its own, else the pinned one. Of one
    that does not answer, nothing but the environment is known.
    """
    theirs = shutil.which("go", path=base.get("PATH"))
    lines: list[str] = []
    asked = (theirs or str(pinned), "env", "-json", *WAYS_TO_MODULES)
    seen = {**base, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    outcome = await run(asked, folder=pinned.parent, environment=seen, heard=lines.append)
    known = {name: value for name, value in base.items() if name in WAYS_TO_MODULES}
    return known | (_answer("\n".join(lines)) if outcome.status == 0 else {})


def _answer(text: str) -> dict[str, str]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(said, dict):
        return {}
    return {name: said[name] for name in WAYS_TO_MODULES if said.get(name)}
