"""The README files name modules, functions and files that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "verifier"
READMES = sorted(
    file for file in (ROOT, *PACKAGE.rglob("*"), ROOT / "tests" / "shop") if (file / "README.md").is_file()
)
INSIDE = PACKAGE / "README.md"
CALL = re.compile(r"^\| `([\w/]+\.py)` \| `([\w.]+)` \|", re.MULTILINE)


def _definitions(node: ast.AST, prefix: str = "") -> Iterator[str]:
    for item in ast.iter_child_nodes(node):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + item.name
            if isinstance(item, ast.ClassDef):
                yield from _definitions(item, f"{prefix}{item.name}.")


@pytest.mark.parametrize("folder", READMES, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_links_lead_to_files(folder: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert [target for target in targets if not (folder / target).exists()] == []


def test_the_functions_of_a_run_exist() -> None:
    calls = CALL.findall(INSIDE.read_text(encoding="utf-8"))
    assert len(calls) > 20
    for module, function in calls:
        found = set(_definitions(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))))
        assert function in found, f"{module} has no {function}"


@pytest.mark.parametrize("folder", [ROOT, PACKAGE, PACKAGE / "contracts"], ids=lambda folder: folder.name)
def test_named_modules_exist(folder: Path) -> None:
    """A module is named relative to the README's own folder, to the package or to the repository."""
    named = set(re.findall(r"`([\w/]+\.py)`", (folder / "README.md").read_text(encoding="utf-8")))
    real = {name for name in named if "NAME" not in name and name != "app.py"}
    assert {name for name in real if not any((base / name).is_file() for base in (folder, PACKAGE, ROOT))} == set()
