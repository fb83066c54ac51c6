"""The soak finds what is left of a run, and tells a wrong end from a right one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.soak.__main__ import keep, stored, summary
from tests.soak.attempts import KILLED, Attempt, misjudged
from tests.soak.census import Census
from tests.soak.matrix import Ended

PASS, FAIL = Ended(0, frozenset(), "pass"), Ended(1, frozenset({("lost", "mixed")}), "fail")
# A child that starts a grandchild without any mark, tells its number, and ends.
LEAVES = """
import os, subprocess, sys
child = subprocess.Popen(["sleep", "60"], start_new_session=True, env={}, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_process_that_outlives_its_verifier_is_found_without_a_mark(tmp_path: Path) -> None:
    verifier = psutil.Popen([sys.executable, "-c", LEAVES], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    left = psutil.Process(int(verifier.stdout.readline()))
    census = Census("soak-none", verifier, with_engine=False)
    with census.going_on():
        deadline = time.monotonic() + 20
        while left not in census.processes and time.monotonic() < deadline:
            time.sleep(0.05)
        verifier.communicate()
    try:
        assert census.left(tmp_path, tmp_path) == [f"process {left.pid}"]
    finally:
        left.kill()
    psutil.wait_procs([left], timeout=10)
    assert census.left(tmp_path, tmp_path) == []


def test_temporary_and_half_written_files_are_found(tmp_path: Path) -> None:
    temporary, out = tmp_path / "temporary", tmp_path / "run" / "history"
    temporary.mkdir()
    out.mkdir(parents=True)
    (temporary / "x").touch()
    (out / "run.json.part").touch()
    left = Census("soak-none", psutil.Process(), with_engine=False).left(temporary, tmp_path / "run")
    assert left == [f"temporary file {temporary / 'x'}", f"half-written {out / 'run.json.part'}"]


@pytest.mark.parametrize(
    ("kind", "found", "quiet", "told", "wrong"),
    [
        ("store", PASS, PASS, "", []),
        ("store", PASS, FAIL, "", ["status 0 (pass)"]),
        ("store", FAIL, PASS, "", ["status 1 (fail)"]),
        ("store", Ended(1, frozenset({("lost", "mixed"), ("new", "mixed")}), "fail"), FAIL, "",
         ["violations that a quiet run has not"]),
        ("store", Ended(4, frozenset(), ""), PASS, "store cache exited with status 137, in rollout.2", []),
        ("store", Ended(4, frozenset(), ""), PASS, "orders did not start", ["the cause is not named"]),
        ("store", Ended(3, frozenset(), "unknown"), PASS, "", ["status 3 (unknown)"]),
        ("replica", Ended(3, frozenset(), "unknown"), PASS, "", []),
        ("verifier", Ended(KILLED, frozenset(), ""), PASS, "", []),
        ("verifier", Ended(70, frozenset(), ""), PASS, "", ["status 70 (no verdict)"]),
    ],
)  # fmt: skip
def test_a_wrong_end_is_told_from_a_right_one(
    kind: str, found: Ended, quiet: Ended, told: str, wrong: list[str]
) -> None:
    assert misjudged(kind, "somebody", found, quiet, told) == wrong


def test_nothing_excuses_the_end_of_a_run_that_was_not_hit() -> None:
    assert misjudged("store", "", Ended(4, frozenset(), ""), PASS, "store cache exited") != []


def test_the_pieces_of_a_log_add_up(tmp_path: Path) -> None:
    right = Attempt("process", 0, "safe", "store", "1: redis-server", 1.5, 2.0, 4, ())
    wrong = Attempt("docker", 0, "safe", "verifier", "verifier 7", 1.5, 2.0, -9, ("left: process 8",))
    log = tmp_path / "log.jsonl"
    assert stored(log) == []
    for one in (right, wrong):
        keep(log, one)
    assert stored(log) == [right, wrong]
    assert summary(stored(log)).startswith("2 of 2 runs were hit; 1 ended wrongly, 1 of these left something behind\n")
