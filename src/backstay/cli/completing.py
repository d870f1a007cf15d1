"""Names for the shell to complete, out of files alone."""

from __future__ import annotations

from pathlib import Path


def hosts_in(path: Path) -> tuple[str, ...]:
    """Return the host names in a cluster.yaml; none when it cannot be read."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        return tuple(sorted(str(host["name"]) for host in found["hosts"]))
    except (OSError, ValueError, KeyError, TypeError, YAMLError):
        # While a line is being typed there is nobody to complain to.
        return ()
