"""`backstay completion`."""

from __future__ import annotations

import click

from backstay.cli.commands import verb
from backstay.cli.session import console_of

SHELLS = ("bash", "zsh", "fish")


@verb(
    "completion",
    examples=(
        "source <(backstay completion bash)",
        "backstay completion zsh > ~/.zfunc/_backstay",
        "backstay completion fish > ~/.config/fish/completions/backstay.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print the completion script for your shell.

    Names of machines are completed from cluster.yaml, without the network.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        message = f"click has no completion for {shell}"
        raise LookupError(message)
    script = found(ctx.find_root().command, {}, "backstay", "_BACKSTAY_COMPLETE").source()
    console_of(ctx).data(script)
