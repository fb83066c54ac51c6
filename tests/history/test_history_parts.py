"""Histories of paths side by side become one, in the plan's order and whatever kills the run."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.history.test_history_store import write
from verifier.history import parts
from verifier.history.bodies import LONG
from verifier.history.model import Note, Operation
from verifier.history.store import FILES, merge, read, records
from verifier.http.message import Request, Response


def operation(name: str, body: bytes) -> Operation:
    request, response = Request("POST", "/x", (), body), Response(200, (), body + b"!")
    return Operation(name, "s", "r", "e", 0, 1, "replay", "n", "a", "1", "a-1", request, response, "ok", 0.0, 1.0)


BODY = b"long " * LONG  # kept by its content, and by both paths
FIRST = [Note("", "filter", "of the run")]
PATHS = {
    1: [operation("control/1", BODY), Note("control.1", "count", "one")],
    2: [operation("other/1", b"short")],
    10: [operation("rollout/1", BODY), operation("rollout/2", b"x" + BODY), Note("rollout.1", "count", "ten")],
}
OPERATIONS = [record for kept in PATHS.values() for record in kept if isinstance(record, Operation)]
NOTES = [*FIRST, *(record for kept in PATHS.values() for record in kept if isinstance(record, Note))]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose last path was the first to end."""
    write(tmp_path, list(FIRST))
    for number in sorted(PATHS, reverse=True):
        write(parts.part(tmp_path, number, f"path-{number}"), list(PATHS[number]))
    return tmp_path


def is_complete(directory: Path) -> None:
    history = read(directory)
    assert list(history.operations) == OPERATIONS
    assert list(history.notes) == NOTES


def test_parts_are_read_where_they_are_and_merged_at_the_end(run: Path) -> None:
    is_complete(run)
    merge(run)
    is_complete(run)
    assert sorted(path.name for path in run.iterdir()) == ["history"]
    assert sorted(path.name for path in (run / "history").iterdir()) == sorted(
        ["bodies.jsonl", "run.json", *FILES.values()]
    )
    merge(run)  # there is nothing left to do
    is_complete(run)


def test_a_kill_at_any_moment_of_merging_loses_and_doubles_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change of a name is a moment at which the verifier may be killed."""
    real, kills = os.rename, 0
    for method in ("rename", "replace"):
        monkeypatch.setattr(Path, method, lambda self, target: step(self, target))
    left = 0

    def step(source: Path, target: Path) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        real(source, target)

    for attempt in range(20):  # each but the first comes one step further
        left = min(attempt, 1)
        try:
            merge(run)
            break
        except KeyboardInterrupt:
            kills += 1
            is_complete(run)
    is_complete(run)
    assert kills > len(FILES)
    assert not (run / parts.PARTS).exists()


def test_on_a_full_disk_the_parts_stay(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(parts, "_append", full)
    merge(run)
    is_complete(run)
    assert not (run / "history" / "whole").exists()


def test_a_last_line_that_was_cut_off_is_left_out_of_its_part_alone(run: Path) -> None:
    file = parts.part(run, 1, "path-1") / "history" / FILES[Operation]
    file.write_bytes(file.read_bytes()[:-7])
    merge(run)
    assert list(records(run, Note)) == NOTES
    assert [entry.id for entry in read(run).operations] == [entry.id for entry in OPERATIONS[1:]]


def test_a_part_that_has_only_begun_is_read_as_far_as_it_came(run: Path) -> None:
    (parts.part(run, 11, "path-11") / "history").mkdir(parents=True)
    is_complete(run)
    merge(run)
    is_complete(run)


def test_parts_that_are_dropped_were_never_there(run: Path) -> None:
    parts.drop(run, [parts.part(run, 1, "path-1")])
    merge(run)
    assert list(read(run).operations) == OPERATIONS[:1]
