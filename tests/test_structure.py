"""What keeps the package readable: short modules, simple functions, and no name that was given up.

Each rule is proven by a copy of the package that breaks it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "verifier"
RUFF = Path(sys.executable).with_name("ruff")

MOST_LINES = 300
MOST_COMPLEX = 15  # cyclomatic complexity
# One function is long on purpose: all that happens between a response and the next request, without a call.
FAST_PATH = "replay/fastpath.py"
# Modules that are still too long. One that is short again must leave the list.
TOO_LONG: set[str] = set()

# Names of earlier versions, each given up for the term of the field (in verifier/README.md).
NAMES = """
Stretch Leg StepProgram Compiled Course Track Press pressed Way Stage weave Woven Take Rivals Lenders Loan troubled
Passed Begun Opened Spliced Kept Unfinished InHand Together hand_to Outbox Hurt hurts Guard Owner Reach Promises
clerks tiny pretend plainly scene Scene Story Driver Victim
"""
MODULES = """
stretch leg course track press way stage weave taking rivals lenders troubled reserved looks passed begun opened
spliced unfinished inhand together outbox hurts exits fitting handed box reach guard promises meetings words judged
stored languages textual settled things clerks tiny pretend plainly scenes story answering
guarded victim small
"""
FORMER_NAMES, FORMER_MODULES = frozenset(NAMES.split()), frozenset(MODULES.split())


def sources(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*.py")) if ".venv" not in file.parts)


def too_long(package: Path) -> set[str]:
    return {
        file.relative_to(package).as_posix()
        for file in sources(package)
        if len(file.read_text(encoding="utf-8").splitlines()) > MOST_LINES
    }


def too_complex(package: Path) -> list[str]:
    """The module of every function that is too complex; a module stands there once for each."""
    command = [
        RUFF, "check", "--isolated", "--ignore-noqa", "--no-cache", "--output-format", "json", "--select", "C901",
        "--config", f"lint.mccabe.max-complexity={MOST_COMPLEX}", package,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    root = package.resolve()
    return [Path(item["filename"]).resolve().relative_to(root).as_posix() for item in json.loads(done.stdout)]


def former_names(folder: Path) -> set[str]:
    """Former names in code; words in comments, strings and docstrings are English."""
    found = {f"{file.relative_to(folder)}: module" for file in sources(folder) if file.stem in FORMER_MODULES}
    for file in sources(folder):
        with tokenize.open(file) as source:
            tokens = list(tokenize.generate_tokens(source.readline))
        found |= {
            f"{file.relative_to(folder)}:{token.start[0]}: {token.string}"
            for token in tokens
            if token.type == tokenize.NAME and token.string in FORMER_NAMES
        }
    return found


def test_modules_are_short() -> None:
    assert too_long(PACKAGE) == TOO_LONG


def test_functions_are_simple() -> None:
    """All but one, which is named."""
    found = too_complex(PACKAGE)
    assert found in ([], [FAST_PATH])


@pytest.mark.parametrize("folder", ["verifier", "tests"])
def test_former_names_are_gone(folder: str) -> None:
    assert former_names(ROOT / folder) == set()


def test_each_rule_can_be_broken(tmp_path: Path) -> None:
    package = tmp_path / "verifier"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    branches = "".join(f"    if number == {at}:\n        return {at + 1}\n" for at in range(MOST_COMPLEX))
    with (package / "pointers.py").open("a", encoding="utf-8") as source:
        source.write(f"\n\ndef tangled(number: int) -> int:  # noqa: C901\n{branches}    return 0\n")
    with (package / "errors.py").open("a", encoding="utf-8") as source:
        source.write("\n" * MOST_LINES)
    (package / "plan" / "stretch.py").write_text('"""A Stretch, in prose."""\n\nclass Stretch: ...\n', encoding="utf-8")
    assert too_long(package) - too_long(PACKAGE) == {"errors.py"}
    assert set(too_complex(package)) - set(too_complex(PACKAGE)) == {"pointers.py"}
    assert former_names(package) - former_names(PACKAGE) == {"plan/stretch.py: module", "plan/stretch.py:3: Stretch"}


def test_a_rule_allows_what_is_at_its_limit(tmp_path: Path) -> None:
    branches = "".join(f"    if number == {at}:\n        return {at + 1}\n" for at in range(MOST_COMPLEX - 1))
    text = f"def branching(number: int) -> int:\n{branches}    return 0\n"
    (tmp_path / "module.py").write_text(text + "\n" * (MOST_LINES - text.count("\n")), encoding="utf-8")
    assert (too_long(tmp_path), too_complex(tmp_path), former_names(tmp_path)) == (set(), [], set())
