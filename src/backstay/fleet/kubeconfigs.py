"""The user's kubeconfig: one cluster merged into it, everything else left as it is."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from backstay.errors import ConfigError
from backstay.pki.issue import Pair

OWNER_ONLY = 0o600
_LISTS = ("clusters", "users", "contexts")


@dataclass(frozen=True, slots=True)
class Access:
    """What a client needs: where the cluster is, whom to trust, and who one is.

    `cluster` names the context; its PEMs go into the file, so that it can be carried away.
    """

    cluster: str
    server: str
    authority: bytes
    user: str
    pair: Pair

    @property
    def entries(self) -> Mapping[str, Mapping[str, object]]:
        """The entry of each list of a kubeconfig."""
        user = f"{self.user}@{self.cluster}"
        trusted = {
            "server": self.server,
            "certificate-authority-data": _base64(self.authority),
        }
        own = {
            "client-certificate-data": _base64(self.pair.certificate),
            "client-key-data": _base64(self.pair.key.reveal()),
        }
        return {
            "clusters": {"name": self.cluster, "cluster": trusted},
            "users": {"name": user, "user": own},
            "contexts": {"name": self.cluster, "context": {"cluster": self.cluster, "user": user}},
        }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def default_path(environment: Mapping[str, str]) -> Path:
    """Return the file that kubectl writes to: the first of $KUBECONFIG, or ~/.kube/config."""
    named = [part for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    return Path(named[0] if named else "~/.kube/config").expanduser()


def merged(text: str, access: Access, *, where: str) -> str:
    """Return the kubeconfig with the cluster's entries put in or replaced, comments kept.

    ConfigError if the text is no kubeconfig.
    """
    document = _document(text, where=where)
    for name, entry in access.entries.items():
        known = document.get(name) or []
        document[name] = [one for one in known if one.get("name") != entry["name"]]
        document[name].append(entry)
    document["current-context"] = access.cluster
    stream = StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    # A wrapped certificate would still be right, and nobody could compare it by eye.
    yaml.width = 1_000_000
    return yaml


def _document(text: str, *, where: str) -> Any:  # noqa: ANN401  # a mapping that keeps comments
    why = "it is no mapping with the lists clusters, users and contexts"
    try:
        found = _yaml().load(text) or {"apiVersion": "v1", "kind": "Config"}
        if isinstance(found, Mapping) and all(
            isinstance(one, Mapping) for name in _LISTS for one in found.get(name) or []
        ):
            return found
    except (YAMLError, TypeError) as error:
        why = str(error)
    raise ConfigError(
        "the kubeconfig cannot be read, and is left alone",
        where=where,
        why=why,
        next_move="mend it, or name another file: backstay kubeconfig -o FILE",
    )


def write_private(path: Path, text: str) -> None:
    """Replace the file as a whole; only its owner can read it, at any moment."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.backstay-{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise


def merge_into(path: Path, access: Access) -> Path | None:
    """Merge into a file, and return where its old text was kept; None when there was none."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = merged(before, access, where=str(path))
    backup = path.with_name(f"{path.name}.before-backstay") if before else None
    if backup is not None:
        write_private(backup, before)
    write_private(path, after)
    return backup
