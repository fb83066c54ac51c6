"""Exit statuses of the console command: 3 where nothing can be said, 4 for a broken environment, 70 for a mistake."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from importlib import import_module
from pathlib import Path

import pytest

from tests.benchmarks.contracts.documents import documents
from tests.cli.small_matrix import ENTRIES, MATRIX, NAME, VERIFIER, entry, recording, verifier, write
from verifier.cli.main import main
from verifier.errors import BrokenEnvironment

NEW = '[python, one_service.py, well, --port, "{port}", --folder, "FOLDER", ]'
RENEWED = '[python, one_service.py, well, --port, "{port}", --folder, "FOLDER"], environment: {RELEASE: "2"}'
OTHER = MATRIX.replace(NEW, RENEWED)


def run(matrix: Path, out: Path, runtime: str = "process", *more: str) -> tuple[int, str]:
    done = verifier("run", matrix, "--runtime", runtime, "--out", out, *more, cwd=matrix.parent)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def verdict(out: Path) -> str:
    found: str = json.loads((out / "verdict.json").read_text())["verdict"]
    return found


@pytest.mark.slow
def test_old_equal_to_new_is_unknown_and_its_twin_passes(tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    status, told = run(write(tmp_path / "same"), tmp_path / "same" / "run")
    assert (status, verdict(tmp_path / "same" / "run")) == (3, "unknown"), told
    assert "words 1 and 2 are the same" in told
    (tmp_path / "other").mkdir()
    more = ("--quiet", "--events", str(tmp_path / "events.jsonl"), "--report", f"junit={tmp_path}/junit.xml")
    more += ("--report", f"markdown={tmp_path}/summary.md", "--report", "github=-")
    status, told = run(write(tmp_path / "other", OTHER), tmp_path / "other" / "run", "process", "--share", *more)
    assert (status, verdict(tmp_path / "other" / "run")) == (0, "pass"), told
    assert told.startswith("PASS  words · ")
    assert told.count("\n") == 1, "--quiet says no more than the verdict, and a pass has no annotation"
    assert (tmp_path / "junit.xml").read_text() == (tmp_path / "other" / "run" / "junit.xml").read_text()
    assert "pass: rollout of words" in (tmp_path / "summary.md").read_text()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert next(kind for kind in kinds if kind != "doing") == "run-began"
    assert kinds.count("step-began") == kinds.count("step-ended") > 5
    assert all(event["schema"] == 1 and event["at"] > 0 for event in events)
    # Only its owner can enter a run directory, unless it is shared.
    modes = [stat.S_IMODE((tmp_path / name / "run").stat().st_mode) for name in ("same", "other")]
    assert modes[0] == 0o700 and modes[1] & 0o055 == 0o055


@pytest.mark.slow
def test_a_version_that_served_nothing_is_unknown(tmp_path: Path) -> None:
    """A second service that no recorded request and no call ever reaches."""
    idle = """\
  idle:
    port: 8000
    ready: /healthz
    directory: DIRECTORY
    versions:
      "1": {command: [python, one_service.py, well, --port, "{port}", --folder, "FOLDER"]}
rollout:"""
    status, told = run(write(tmp_path, OTHER.replace("rollout:", idle)), tmp_path / "run")
    assert (status, verdict(tmp_path / "run")) == (3, "unknown"), told
    assert "idle 1 was live and served nothing" in told


@pytest.mark.slow
def test_a_recording_of_another_service_is_unknown(tmp_path: Path) -> None:
    """No control answers it as recorded. Nothing later needs it, so it is left out, and told with the line to do so."""
    alien = [entry("GET", "/orders/7", None, 200, {"id": "7"}, 5), *ENTRIES]
    status, told = run(write(tmp_path, OTHER, recording(alien)), tmp_path / "run")
    assert (status, verdict(tmp_path / "run")) == (3, "unknown"), told
    assert 'exclude: ["GET /orders/*"] leaves it out of the recording' in " ".join(told.split())


@pytest.mark.slow
def test_a_recording_that_ends_otherwise_than_the_service_does_is_unknown(tmp_path: Path) -> None:
    """Nothing comes after the last exchange that could be missing. Judged again, the stored run is unknown too."""
    ends = [ENTRIES[0], entry("GET", f"/words/{NAME}", None, 404, {"error": "gone"}, 6)]
    status, told = run(write(tmp_path, OTHER, recording(ends)), tmp_path / "run")
    assert (status, verdict(tmp_path / "run")) == (3, "unknown"), told
    assert "stopped at exchange 2 of 2 in every control" in " ".join(told.split())
    assert "recorded 404, came 200" in " ".join(told.split())
    again = verifier("judge", tmp_path / "run")
    assert again.returncode == 3, again.stdout


CONTRACT = """\
openapi: 3.0.3
info: {title: words, version: "1"}
paths:
  /words/{name}:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    put:
      operationId: keep
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses: {"200": {description: kept, content: {application/json: {schema: {type: object}}}}}
    get:
      operationId: look
      responses: {"200": {description: found, content: {application/json: {schema: {type: object}}}}}
"""


@pytest.mark.slow
def test_a_declared_guarantee_that_ran_on_nothing_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONTRACT)
    (tmp_path / "guarantees.yaml").write_text(
        "service: words\noperations:\n  keep: {idempotent: {key: $request.header.Idempotency-Key}}\n"
    )
    status, told = run(write(tmp_path, OTHER.replace("    stop:", "    contract: c.yaml\n    stop:")), tmp_path / "run")
    assert (status, verdict(tmp_path / "run")) == (3, "unknown"), told
    assert "words declares keep idempotent, and no operation tested it" in told


@pytest.mark.slow
@pytest.mark.parametrize(("way", "why"), [("deaf", "not ready within"), ("dies", "exited with status 3")])
def test_an_old_replica_that_never_becomes_ready_breaks_the_environment(way: str, why: str, tmp_path: Path) -> None:
    matrix = OTHER.replace("well", way, 1).replace("within: 20s", "within: 2s")
    status, told = run(write(tmp_path, matrix), tmp_path / "run")
    assert status == 4, told
    # The two controls run at the same time where the machine has two cores.
    assert re.search(f"in the control control-old-[12]: words 1 did not become ready: {why}", told), told
    assert f"the oracle is {way} today" in told, "the end of its log"
    document = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert document["verdict"] == "error"
    assert why in document["error"]
    assert ElementTree.parse(tmp_path / "run" / "junit.xml").find(".//error") is not None


@pytest.mark.parametrize(
    ("release", "message"),
    [
        ('command: ["no-such-program-anywhere"]', "words 2: the program 'no-such-program-anywhere' is not on this"),
        ('image: "nobody/none:1"', "words 2 has no command"),
    ],
)
def test_what_the_process_runtime_cannot_start(release: str, message: str, tmp_path: Path) -> None:
    status, told = run(write(tmp_path, MATRIX.replace(f"command: {NEW}", release)), tmp_path / "run")
    assert status == 4, told
    assert message in told


@pytest.mark.docker
def test_an_image_that_does_not_exist(tmp_path: Path) -> None:
    image = 'image: "127.0.0.1:9/nobody/none:1"'
    matrix = MATRIX.replace(f"command: {NEW}", image)
    matrix = matrix.replace('command: [python, one_service.py, well, --port, "{port}", --folder, "FOLDER"]', image)
    status, told = run(write(tmp_path, matrix), tmp_path / "run", "docker")
    assert status == 4, told
    assert "nobody/none:1" in told


def test_no_engine_where_docker_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    status, told = run(write(tmp_path), tmp_path / "run", "docker")
    assert status == 4, told
    assert "no container engine answers" in told


@pytest.mark.slow
def test_a_finding_under_any_name_is_status_1(tmp_path: Path) -> None:
    """The second release has another folder: what the first acknowledged is gone. A matrix's name may hold anything."""
    elsewhere = NEW.replace("FOLDER", "FOLDER-2")
    matrix = MATRIX.replace(NEW, elsewhere).replace("matrix: words", 'matrix: "words / two ../"')
    status, told = run(write(tmp_path, matrix), tmp_path / "run")
    assert (status, verdict(tmp_path / "run")) == (1, "fail"), told
    assert "no lost write" in told


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (RuntimeError("boom"), 70),
        (AssertionError("boom"), 70),
        (KeyboardInterrupt(), 130),
        (BrokenEnvironment("boom"), 4),
    ],
)
def test_a_mistake_of_the_verifiers_own_is_no_verdict(
    raised: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(sys, "argv", ["verifier", "plan", "x.yaml"])
    monkeypatch.setattr(import_module("verifier.cli.plan").plan, "callback", broken)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    assert capsys.readouterr().err


@pytest.mark.slow
def test_a_service_that_answers_nothing_as_recorded_ends_the_run_with_its_log(tmp_path: Path) -> None:
    """Its twin is the service of every other test here."""
    matrix = write(tmp_path, OTHER)
    matrix.write_text(matrix.read_text().replace("well, --port", "fails, --port"))
    status, told = run(matrix, tmp_path / "run")
    assert (status, verdict(tmp_path / "run")) == (3, "unknown"), told
    shown = " ".join(told.split())
    assert "the run ended after its first step, because no replay there was answered as recorded: PUT /words/" in shown
    assert "was answered 500, and 200 is recorded" in shown
    assert "the oracle is fails today" in shown, "the end of the log"
    assert json.loads((tmp_path / "run" / "verdict.json").read_text())["timing"]["total_s"] < 30
    steps = [step["id"] for step in json.loads((tmp_path / "run" / "verdict.json").read_text())["steps"]]
    assert steps == ["control-old-1.1"]
    assert verifier("judge", tmp_path / "run").returncode == 3


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_is_judged_as_far_as_it_came(tmp_path: Path, number: int, status: int) -> None:
    matrix, out = write(tmp_path, OTHER), tmp_path / "run"
    command = [VERIFIER, "run", matrix, "--runtime", "process", "--out", out]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        until = time.monotonic() + 120
        while not (out / "logs").is_dir() or len(list((out / "logs").glob("words-1-*"))) < 2:
            assert running.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        running.send_signal(number)
        told, _ = running.communicate(timeout=120)
    assert running.returncode == status, told
    assert verdict(out) == "unknown"
    assert "the run was interrupted" in " ".join(told.split())
    assert verifier("judge", out).returncode == 3
    (out / "timing.json").unlink()
    (out / "verdict.json").unlink()
    assert verifier("judge", out).returncode == 3, "as after a run that was killed"


def test_planning_says_that_it_compares_large_contracts(tmp_path: Path) -> None:
    for name, document in zip("12", documents(60), strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    text = MATRIX.replace('"1": {', '"1": {contract: 1.json, ').replace('"2": {', '"2": {contract: 2.json, ')
    done = verifier("plan", write(tmp_path, text))
    assert (done.returncode, done.stderr) == (0, "comparing the contracts of words: 60 operations\n")
