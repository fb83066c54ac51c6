"""When an engine is started, when not, and that only what was started is ended."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import uuid
from dataclasses import asdict, replace
from pathlib import Path

import docker
import psutil
import pytest
from docker.errors import ImageNotFound

from tests import __main__ as command
from tests.engine import daemon, images
from tests.engine.daemon import Started, Surroundings, decide
from tests.engine.system import Unavailable, run

BARE = Surroundings(answers=False, host=None, system="Linux", root=True, installed=False, apt=True)


@pytest.mark.parametrize(
    ("here", "do"),
    [
        (replace(BARE, answers=True), "use"),
        (replace(BARE, answers=True, root=False, host="tcp://there:2376"), "use"),
        (replace(BARE, host="tcp://there:2376", installed=True), "nothing"),
        (replace(BARE, system="Darwin", installed=True), "nothing"),
        (replace(BARE, root=False, installed=True), "nothing"),
        (replace(BARE, installed=True), "start"),
        (BARE, "install"),
        (replace(BARE, apt=False), "nothing"),
    ],
)
def test_decide(here: Surroundings, do: str) -> None:
    decision = decide(here)
    assert decision.do == do
    assert decision.reason


def test_without_an_engine_the_reason_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="needs root"):
        daemon.bring_up(tmp_path / "engine.json", replace(BARE, root=False), print)


def test_an_engine_that_answers_is_left_alone(tmp_path: Path) -> None:
    record = tmp_path / "engine.json"
    daemon.bring_up(record, replace(BARE, answers=True), print)
    assert not record.exists() and not daemon.end(record)


def test_end_ends_the_process_that_was_started_and_no_other(tmp_path: Path) -> None:
    record = tmp_path / "engine.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        created = psutil.Process(process.pid).create_time()
        record.write_text(json.dumps(asdict(Started(process.pid, created - 60, None))))
        assert not daemon.end(record), "another process has the number now"
        assert process.poll() is None
        record.write_text(json.dumps(asdict(Started(process.pid, created, None))))
        assert daemon.end(record)
        process.wait(10)
    assert not record.exists()


def test_an_engine_that_cannot_start_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "dockerd"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "no $2 here" >&2\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="no overlay2 here") as raised:
        daemon.start(tmp_path / "engine.json", print, host=f"unix://{tmp_path}/none.sock")
    assert "no vfs here" in str(raised.value)
    assert not (tmp_path / "engine.json").exists()


def test_a_failing_command_is_told_with_its_output() -> None:
    with pytest.raises(Unavailable, match="ended with 3:\nwhy"):
        run("sh", "-c", "echo why; exit 3")
    with pytest.raises(Unavailable, match="did not run"):
        run("no-such-program-anywhere")


class _Images:
    """An engine's images, by name, with their labels."""

    def __init__(self, labels: dict[str, dict[str, str]]) -> None:
        self._labels = labels
        self.images = self

    def get(self, name: str) -> _Images:
        if name not in self._labels:
            raise ImageNotFound("none")
        self.labels = self._labels[name]
        return self


@pytest.mark.parametrize("image", images.IMAGES, ids=lambda image: image.name)
def test_an_image_is_made_anew_only_when_it_is_a_substitute_from_other_files(image: images.Image) -> None:
    def there(labels: dict[str, str] | None) -> bool:
        return images.present(_Images({} if labels is None else {image.name: labels}), image)  # type: ignore[arg-type]

    assert there({}), "the official image is never replaced"
    assert there({images.LABEL: images.fingerprint(image)})
    assert not there({images.LABEL: "older"})
    assert not there(None)


def test_quick_is_an_option_of_ours_and_the_rest_goes_to_pytest() -> None:
    options, rest = command.parsed(["--quick", "tests/plan", "-k", "seed"])
    assert (options.quick, rest) == (True, ["tests/plan", "-k", "seed"])
    assert command.parsed(["-q"]) == (argparse.Namespace(quick=False), ["-q"])


def test_all_checks_are_run_and_pytest_is_the_last() -> None:
    names = [name for name, _ in command.checks(["-x"])]
    assert names[:3] == ["lint", "format", "types"] and names[-1] == "tests"
    assert command.checks(["-x"])[-1][1][-1] == "-x"


def test_every_test_file_is_in_one_part() -> None:
    listed = [Path(path) for paths in command.PARTS.values() for path in paths]
    for path in listed:
        assert (command.ROOT / path).exists(), path
        assert not any(other in path.parents for other in listed), path
    parts = [words for _, words in command.tests(())]
    (rest,) = [words for words in parts if "tests" in words]
    assert {word.removeprefix("--ignore=") for word in rest if word.startswith("--ignore")} == set(map(str, listed))
    assert [word for words in parts for word in words if word.startswith("tests/")] == list(map(str, listed))


def test_checks_that_run_at_once_keep_their_status_and_output(capfd: pytest.CaptureFixture[str]) -> None:
    def saying(word: str, status: int) -> tuple[str, list[str]]:
        return word, [sys.executable, "-c", f"print({word!r}); raise SystemExit({status})"]

    results = command.at_once([saying("first", 0), saying("second", 3), saying("third", 0)])
    assert [(name, code) for name, code, _ in results] == [("first", 0), ("second", 3), ("third", 0)]
    shown = capfd.readouterr().out.splitlines()
    assert sorted(line for line in shown if line in ("first", "second", "third")) == ["first", "second", "third"]


def test_no_more_checks_run_at_once_than_there_are_lanes(tmp_path: Path) -> None:
    """Each writes a file as long as it runs, and counts the files. All of the first ones meet."""
    code = f"""
import pathlib, sys, time
folder, mine = pathlib.Path({str(tmp_path)!r}), pathlib.Path({str(tmp_path)!r}, sys.argv[1])
mine.touch()
until = time.monotonic() + 20
while sys.argv[1] < "{command.LANES}" and len(list(folder.glob("?*"))) < {command.LANES} and time.monotonic() < until:
    time.sleep(0.01)
count = len(list(folder.glob("?")))
mine.rename(mine.with_name(mine.name + "-ended"))
raise SystemExit(count)
"""
    many = [(str(number), [sys.executable, "-c", code, str(number)]) for number in range(command.LANES + 3)]
    together = [count for _, count, _ in command.at_once(many)]
    assert max(together) == command.LANES


def test_checks_that_are_interrupted_are_ended_and_show_what_they_said(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "print('begun', flush=True); import time; time.sleep(600)"
    endless = [(name, [sys.executable, "-c", said]) for name in ("one", "two")]

    def interrupt(*_: object) -> None:
        children = psutil.Process().children()
        while len([child for child in children if child.is_running()]) < len(endless):
            children = psutil.Process().children()
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "as_completed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        command.at_once(endless)
    assert not [child for child in psutil.Process().children() if said in child.cmdline()]
    assert "== one" in capfd.readouterr().out


@pytest.mark.docker
def test_the_images_are_there(engine: docker.DockerClient) -> None:
    for name, words in (("python:3.11-slim", ["python", "--version"]), ("postgres:15", ["postgres", "--version"])):
        told = engine.containers.run(name, words, remove=True)
        assert told.decode().startswith(("Python 3.11", "postgres (PostgreSQL) 15"))


@pytest.mark.docker
def test_the_shop_is_built_by_its_ordinary_dockerfile(engine: docker.DockerClient) -> None:
    folder = Path(__file__).resolve().parents[1] / "shop"
    image = f"verifier-test-payments:{uuid.uuid4().hex}"  # a tag of its own: another test may run what it shares
    engine.images.build(path=str(folder), buildargs={"SERVICE": "payments"}, tag=image, rm=True, forcerm=True)
    try:
        told = engine.containers.run(image, ["python", "-m", "shop.payments", "--help"], remove=True)
        assert b"--release {1.2,1.3,1.4}" in told
    finally:
        engine.images.remove(image, force=True)
