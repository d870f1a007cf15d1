"""A Go that compiles nothing: a shell script in the place of the pinned toolchain.

It writes one file per package asked for, whose content is the name of the program, and it logs
each call. A file `fail` beside it makes it end badly after its first program; a file `wait` makes
it wait to be killed there.
"""

from __future__ import annotations

from pathlib import Path

SCRIPT = r"""#!/bin/sh
here=$(dirname "$0")
if [ "$1" = env ]; then echo '{}'; exit; fi
printf '%s\n' "$PWD $CGO_ENABLED $GOFLAGS $GOMODCACHE $*" >>"$here/calls"
env >"$here/environment"
test -f go.mod || { echo 'no go.mod here'; exit 1; }
while [ "$1" != -o ]; do shift; done
out=$2; shift 2
for package; do
    name=$(printf '%s' "$package" | sed 's#/v[0-9]*$##; s#.*/##; s#^\.$#pause#')
    echo "some/package/$name"
    printf '%s' "$name" >"$out$name"
    if [ -f "$here/fail" ]; then echo 'undefined: everything'; exit 1; fi
    if [ -f "$here/wait" ]; then echo $$ >"$here/waiting"; exec sleep 600; fi
done
"""


class FakeGo:
    """The script, and what is known about its calls."""

    def __init__(self, toolchains: Path, version: str) -> None:
        self.folder = toolchains / version / "go" / "bin"
        self.folder.mkdir(parents=True)
        self.program = self.folder / "go"
        self.program.write_text(SCRIPT)
        self.program.chmod(0o755)

    def set(self, mood: str) -> None:
        """Make it fail, or wait."""
        (self.folder / mood).touch()

    def unset(self, mood: str) -> None:
        """Make it work again."""
        (self.folder / mood).unlink()

    @property
    def calls(self) -> list[str]:
        """Folder, environment and arguments of every call so far."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        """What the last call saw."""
        lines = (self.folder / "environment").read_text().splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    @property
    def waiting(self) -> Path:
        """The file that appears when a call waits; it holds the number of the process."""
        return self.folder / "waiting"
