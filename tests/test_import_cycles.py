"""No module of the package imports itself by way of others, not even for its types alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "verifier"


def modules(package: Path) -> dict[str, Path]:
    """The files of a package by the names of their modules."""
    found = {}
    for file in package.rglob("*.py"):
        parts = (package.name, *file.relative_to(package).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(module: str, file: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules of the package that one imports anywhere in its file: in functions and for type checkers too."""
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            outer = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, (outer, node.module or "")))
            # `from package import name` imports the module `package.name` if there is one.
            names = [inner if (inner := f"{base}.{alias.name}") in known else base for alias in node.names]
        yield from (name for name in names if name in known and name != module)


def cycles(package: Path) -> list[list[str]]:
    """The groups of modules that import each other, each sorted (strongly connected components, after Tarjan)."""
    known = modules(package)
    graph = {module: sorted(set(imported(module, file, known))) for module, file in known.items()}
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = low[module] = len(number)
        stack.append(module)
        for other in graph[module]:
            if other not in number:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], number[other])
        if low[module] == number[module]:
            at = stack.index(module)
            group = sorted(stack[at:])
            del stack[at:]
            if len(group) > 1:
                found.append(group)

    for module in sorted(graph):
        if module not in number:
            visit(module)
    return found


def test_no_modules_import_each_other() -> None:
    assert len(modules(PACKAGE)) > 200
    assert cycles(PACKAGE) == []


def test_no_import_is_for_type_checkers_alone() -> None:
    assert [module for module, file in modules(PACKAGE).items() if "TYPE_CHECKING" in file.read_text()] == []


def test_planted_cycles_are_found(tmp_path: Path) -> None:
    package = tmp_path / "verifier"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "room" / "__init__.py").write_text("")
    (package / "room" / "alone.py").write_text("from verifier.room import plain\n")
    (package / "room" / "plain.py").write_text("import json\n")
    (package / "room" / "types.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from verifier.room.user import User\n"
    )
    (package / "room" / "user.py").write_text("import verifier.room.types\n")
    (package / "room" / "early.py").write_text("from .late import late\n")
    (package / "room" / "late.py").write_text("def late():\n    from . import early\n")
    assert cycles(package) == [
        ["verifier.room.early", "verifier.room.late"],
        ["verifier.room.types", "verifier.room.user"],
    ]
