"""What is imported is declared, is there in a version that is tested, and is public."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"verifier", "tests"}
# What is run, or read by mypy, and imported by nobody.
TOOLS = {"import-linter", "mypy", "pytest-timeout", "ruff"}
OWN = {"mixed-version-verifier"}
EXTRAS = ("cluster", "gate", "query")  # what only some users need
# What no test of `python -m tests` needs, and by whom it is imported.
ELSEWHERE = {
    "atheris": {"tests/fuzz/http_reader.py", "tests/fuzz/recording_reader.py"},  # searches for new inputs, by hand
    "jsonsubschema": {"tests/benchmarks/contracts/subschema.py"},  # a benchmark's peer, in an environment of its own
    "kinto": {"tests/zoo/kinto/moved_records.py"},  # the service itself, in an environment of its own
}


def name_of(requirement: str) -> str:
    return normal(re.split(r"[\[<>=!~;, ]", requirement, maxsplit=1)[0])


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    return {name_of(one) for one in requirements(*extras)}


def requirements(*extras: str) -> list[str]:
    return [*PROJECT["dependencies"], *(one for extra in extras for one in PROJECT["optional-dependencies"][extra])]


def imported(folder: Path) -> dict[str, set[str]]:
    """Modules that are imported, also inside of functions, and by which files."""
    found: dict[str, set[str]] = {}
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for module in modules(node):
                found.setdefault(module, set()).add(file.relative_to(ROOT).as_posix())
    return found


def modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def undeclared(folder: str, *extras: str) -> dict[str, set[str]]:
    """Packages that are imported and not declared, and by which files."""
    known, sources = metadata.packages_distributions(), declared(*extras)
    beside = {path.stem for path in (ROOT / "tests").rglob("*") if path.suffix in ("", ".py")}  # pytest adds folders
    found: dict[str, set[str]] = {}
    for module, files in imported(ROOT / folder).items():
        top = module.partition(".")[0]
        ours = top in sys.stdlib_module_names or top in OURS or (folder == "tests" and top in beside)
        if not ours and not {normal(name) for name in known.get(top, [])} & sources:
            found.setdefault(top, set()).update(files)
    return found


def test_the_package_imports_nothing_that_is_not_declared() -> None:
    """The pytest plugin is imported by pytest alone, and its part for pytest-xdist by pytest-xdist alone."""
    found = undeclared("verifier", *EXTRAS)
    plugin = {name: files for name, files in found.items() if name in ("pytest", "xdist")}
    assert set(found) == set(plugin) | {"paramiko"}
    assert found["paramiko"] == {"verifier/runtime/remote.py"}  # which docker[ssh] brings
    assert all(file.startswith("verifier/pytest_plugin/") for file in plugin["pytest"])
    assert plugin["xdist"] == {"verifier/pytest_plugin/scheduling.py"}
    assert "pytest" in declared("pytest")


def test_the_tests_import_nothing_that_is_not_declared() -> None:
    found = undeclared("tests", *EXTRAS, "shop", "test")
    assert set(found) - set(ELSEWHERE) == set()
    for package, files in ELSEWHERE.items():
        assert found.get(package, files) == files, package


def test_what_is_not_declared_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "verifier").mkdir()
    (tmp_path / "verifier" / "module.py").write_text("def late():\n    from pygments import lex\n", encoding="utf-8")
    (tmp_path / "tests").mkdir()
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert undeclared("verifier") == {"pygments": {"verifier/module.py"}}


def test_nothing_is_declared_that_nobody_imports() -> None:
    """Type stubs and tools are imported by nobody."""
    known, used = metadata.packages_distributions(), set[str]()
    for folder in ("verifier", "tests"):
        for module in imported(ROOT / folder):
            used |= {normal(name) for name in known.get(module.partition(".")[0], [])}
    idle = {name for name in declared("shop", "test") if not name.startswith("types-")} - used - TOOLS - OWN
    assert idle == set()


def test_every_requirement_has_a_lower_bound_that_is_met_and_a_reason_for_an_upper_one() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in requirements("shop", "test"):
        name, lower = name_of(requirement), re.search(r">=([0-9.]+)", requirement)
        if name in OWN or name.startswith("types-"):
            continue
        assert lower, f"{requirement}: no lower bound"
        assert numbers(metadata.version(name)) >= numbers(lower[1]), requirement
        if re.search(r"[<=!~]=?[0-9]", requirement.replace(lower[0], "")):
            assert re.search(rf'"{re.escape(requirement)}",  # \w+', text), f"{requirement}: no reason"


def test_internals_of_other_packages_are_used_in_one_place() -> None:
    """Whoever upgrades schemathesis or testcontainers has one module to look at."""
    users: dict[str, set[str]] = {}
    for module, files in imported(ROOT / "verifier").items():
        users.setdefault(module.partition(".")[0], set()).update(files)
    assert users["schemathesis"] == {"verifier/contracts/schemathesis_engine.py"}
    assert users["testcontainers"] == {"verifier/runtime/testcontainer.py"}
    tree = ast.parse((ROOT / "verifier/runtime/testcontainer.py").read_text(encoding="utf-8"))
    private = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")]
    assert private == []


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])
