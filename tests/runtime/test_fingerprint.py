"""Digests of what local processes are made of."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from verifier.runtime import fingerprint
from verifier.runtime.base import Readiness, ReplicaSpec
from verifier.runtime.fingerprint import of_folder, of_version

SEARCH = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    (root / "inner").mkdir(parents=True)
    (root / "app.py").write_text("one")
    (root / "inner" / "part.py").write_text("two")
    return root


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "app.py").write_text("ONE"),
        lambda root: (root / "inner" / "part.py").rename(root / "inner" / "other.py"),
        lambda root: (root / "app.py").chmod(0o755),
        lambda root: (root / "new").write_text(""),
        lambda root: (root / "link").symlink_to("app.py"),
    ],
)
def test_every_change_of_a_folder_is_seen(change: Callable[[Path], object], folder: Path) -> None:
    before = of_folder(folder)
    assert before is not None
    assert of_folder(folder) == before
    change(folder)
    assert of_folder(folder) not in (before, None)


def test_runs_and_what_programs_make_by_themselves_do_not_count(folder: Path) -> None:
    before = of_folder(folder)
    (folder / "inner" / "__pycache__").mkdir()
    (folder / "inner" / "__pycache__" / "part.pyc").write_text("compiled")
    (folder / "run" / "history").mkdir(parents=True)
    (folder / "run" / "plan.json").write_text("{}")
    assert of_folder(folder) == before


def test_what_cannot_be_known_has_no_digest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "out").symlink_to(folder.parent)
    assert of_folder(folder) is None, "a link leads out of it"
    (folder / "out").unlink()
    monkeypatch.setattr(fingerprint, "MOST_FILES", 1)
    assert of_folder(folder) is None, "it holds too much"
    assert of_folder(Path("/")) is None


def version(folder: Path, command: tuple[str, ...], **environment: str) -> str | None:
    given, log = tuple(environment.items()), folder / "log"
    spec = ReplicaSpec("a", "a", "1", 0, None, None, command, folder, given, (), Readiness("tcp", ""), log)
    return of_version(spec, [command], SEARCH, {})


def test_a_version_is_its_folder_its_program_and_what_it_names_elsewhere(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "config.ini").write_text("x = 1")
    (other / "imported.py").write_text("y = 1")
    forms = [
        ((sys.executable, "app.py", f"--config={other}/config.ini"), {}),
        ((sys.executable, "app.py"), {"SETTINGS": f"file:{other}/config.ini"}),
        (("sh", "-c", f"exec python '{other}/config.ini'"), {}),
    ]
    for command, environment in forms:
        before = version(folder, command, **environment)
        assert before is not None
        (other / "imported.py").write_text(f"y = {len(command)} {environment}")
        assert version(folder, command, **environment) not in (before, None)
    assert version(folder, ("sh",)) != version(folder, (sys.executable,))
    assert version(folder, ("no-such-program",)) is None


@pytest.mark.parametrize("form", ["direct_url", "pth", "inherited"])
def test_a_package_that_is_developed_elsewhere_is_part_of_a_version(
    form: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files change without any change beside the interpreter."""
    other = tmp_path / "developed"
    other.mkdir()
    (other / "module.py").write_text("y = 1")
    place = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    (place / "it-1.dist-info").mkdir(parents=True)
    program = tmp_path / "venv" / "bin" / "python"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    if form == "direct_url":
        about = {"url": other.as_uri(), "dir_info": {"editable": True}}
        (place / "it-1.dist-info" / "direct_url.json").write_text(json.dumps(about))
    elif form == "pth":
        (place / "it.pth").write_text(f"import os\n{other}\n")
    else:
        monkeypatch.setenv("PYTHONPATH", f"/nowhere:{other}")
    before = version(folder, (str(program), "app.py"))
    assert before is not None
    assert version(folder, (str(program), "app.py")) == before
    (other / "module.py").write_text("y = 2")
    assert version(folder, (str(program), "app.py")) not in (before, None)
