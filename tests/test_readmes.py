"""The README files name modules, functions and files that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier.checks.registered import DECLARATIONS
from verifier.contracts.guarantees import read
from verifier.matrix.model import FAULTS, Replaying
from verifier.matrix.parse import parse
from verifier.runtime.stores.registered import PROCESS_STORES

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


@pytest.mark.parametrize("folder", READMES, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_named_modules_exist(folder: Path) -> None:
    """A module is named relative to the README's folder, to a folder below or beside it, or to the repository."""
    named = set(re.findall(r"`([\w/]+\.py)`", (folder / "README.md").read_text(encoding="utf-8")))
    bases = [folder, *(below for below in folder.iterdir() if below.is_dir()), *PACKAGE.iterdir(), PACKAGE, ROOT]
    real = {name for name in named if "NAME" not in name}
    assert {name for name in real if not any((base / name).is_file() for base in bases)} == set()


def test_the_first_matrix_of_the_readme_can_be_read(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "shop.har").touch()
    (tmp_path / "shop.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    declared = parse(tmp_path / "shop.yaml", PROCESS_STORES)
    assert [service.name for service in declared.services if not service.serves] == ["mailer"]
    assert [name for name, _ in declared.service("orders").old.preparation] == ["prepare"]


def test_the_documented_matrix_and_guarantees_can_be_read(tmp_path: Path) -> None:
    matrix, guarantees = re.findall(
        r"^```yaml\n(.*?)^```", INSIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    for name in ("orders-1.4.yaml", "psp.yaml", "shop.har", "app/Dockerfile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "matrix.yaml").write_text(matrix, encoding="utf-8")
    (tmp_path / "guarantees.yaml").write_text(guarantees, encoding="utf-8")
    declared = parse(tmp_path / "matrix.yaml", PROCESS_STORES)
    assert [version.name for version in declared.service("orders").versions] == ["1.4", "2.0"]
    assert (declared.replaying, declared.faults, declared.budget) == (Replaying(), FAULTS, 300.0)
    promised = read(tmp_path / "guarantees.yaml", DECLARATIONS).of("placeOrder")
    assert promised is not None and promised.completes is not None and promised.effects and promised.further
