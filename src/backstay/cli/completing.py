"""Names for the shell to complete, out of files alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


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


def _completer(names: Callable[[click.Context], Iterable[str]]) -> Completer:
    """Return what click asks for the names that begin with what was typed."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        del param
        return [CompletionItem(one) for one in names(ctx) if one.startswith(incomplete)]

    return complete


def _scenarios(_: click.Context) -> Iterable[str]:
    from backstay.drill.faults.catalogue import SCENARIOS

    return SCENARIOS


def _suites(_: click.Context) -> Iterable[str]:
    from backstay.drill.faults.catalogue import SUITES

    return SUITES


def _targets(ctx: click.Context) -> Iterable[str]:
    from backstay.cli.options import settings_of
    from backstay.drill.faults.targets import HOST, ROLES

    path = settings_of(ctx).config_path
    return (*ROLES, *(f"{HOST}{name}" for name in (hosts_in(path) if path else ())))


complete_scenarios = _completer(_scenarios)
complete_suites = _completer(_suites)
complete_targets = _completer(_targets)
