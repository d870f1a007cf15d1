"""`backstay lab`: real machines on this computer."""

from __future__ import annotations

import click

from backstay.cli.commands import Entry, Verbs

_HERE = "backstay.cli.verbs"


@click.group(
    cls=Verbs,
    sections={
        "Make and remove": {
            "up": Entry(f"{_HERE}.lab_up:up", "Make machines, and a cluster on them."),
            "down": Entry(f"{_HERE}.lab_up:down", "Remove a lab whole."),
        },
        "Look": {
            "list": Entry(f"{_HERE}.lab_look:list_", "List the labs and their machines."),
            "ssh": Entry(f"{_HERE}.lab_look:ssh", "Open a shell on a machine."),
            "logs": Entry(f"{_HERE}.lab_look:logs", "Show a machine's journal."),
        },
        "Break and mend": {
            "reboot": Entry(f"{_HERE}.lab_break:reboot", "Reboot a machine."),
            "pause": Entry(f"{_HERE}.lab_break:pause", "Freeze a machine."),
            "unpause": Entry(f"{_HERE}.lab_break:unpause", "Let a frozen machine go on."),
            "cut": Entry(f"{_HERE}.lab_break:cut", "Cut the link between two machines."),
            "heal": Entry(f"{_HERE}.lab_break:heal", "Undo all cuts."),
        },
    },
    examples=(
        "backstay lab up",
        "backstay lab ssh cp-1",
        "backstay lab down",
    ),
)
def lab() -> None:
    """Real machines on this computer: systemd in containers, with their own network.

    A lab is made by the very apply that makes your own servers.
    """
