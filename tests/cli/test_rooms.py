"""Only the command line prints and exits; every other room returns or raises."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import backstay

SOURCE = Path(backstay.__file__).parent
MODULES = [
    path
    for path in sorted(SOURCE.rglob("*.py"))
    # A __main__ is a program of its own.
    if path.relative_to(SOURCE).parts[0] != "cli" and path.name != "__main__.py"
]
_STREAMS = {("sys", "stdout"), ("sys", "stderr"), ("sys", "exit"), ("click", "echo")}


def _prints(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print" | "input" | "exit" | "quit" as name)):
                if not any(keyword.arg == "file" for keyword in node.keywords):
                    yield f"line {node.lineno}: {name}"
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in _STREAMS:
                yield f"line {node.lineno}: {module}.{name}"
            case _:
                pass


def test_no_room_but_the_command_line_prints_or_exits() -> None:
    """A stray print would end up in somebody's JSON."""
    found = {
        str(path.relative_to(SOURCE)): said
        for path in MODULES
        if (said := list(_prints(ast.parse(path.read_text()))))
    }
    assert found == {}


def test_the_rule_can_fail() -> None:
    """The search finds what it is for."""
    assert list(_prints(ast.parse("print('x')"))) == ["line 1: print"]
    assert list(_prints(ast.parse("import sys\nsys.stdout.write('x')"))) == ["line 2: sys.stdout"]
    assert list(_prints(ast.parse("print('x', file=log)"))) == []
