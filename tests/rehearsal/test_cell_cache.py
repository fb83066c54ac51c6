"""Paths from the cache: what makes a path another one, what is never kept, and what a damaged cache does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, Ran, matrix, rehearse
from tests.rehearsal.test_rehearsal_parallel import verdict
from verifier.history.store import read
from verifier.rehearsal import cell_cache
from verifier.rehearsal.cell_cache import DAY, MOST_DAYS, CellCache, StoredCell
from verifier.rehearsal.events import ConfirmationBegan, PathBegan, PathCached
from verifier.rehearsal.learned import StoredLearned
from verifier.replay.waiting_times import WaitingTimes
from verifier.runtime.base import ReplicaSpec

PATHS = ["control-old-1", "control-old-2", "control-new", "control-upgrade", "rollout"]


@pytest.fixture
def cache(tmp_path: Path) -> CellCache:
    return CellCache(tmp_path / "cache")


def again(folder: Path, cache: CellCache, runtime: FakeRuntime | None = None, **options: Any) -> Ran:
    """One more run of the same matrix, in a folder of its own."""
    place = folder / f"{len(list(folder.iterdir()))}"
    place.mkdir()
    return rehearse(matrix(folder, replicas=1, **options), runtime or FakeRuntime(), place, 2, cache)


def taken(ran: Ran) -> list[str]:
    return sorted((event.path.id for event in ran.events if isinstance(event, PathCached)), key=PATHS.index)


def began(ran: Ran) -> list[str]:
    return sorted((event.path.id for event in ran.events if isinstance(event, PathBegan)), key=PATHS.index)


def test_what_has_not_changed_is_not_run_again_and_gives_the_same_verdict(tmp_path: Path, cache: CellCache) -> None:
    first, second = again(tmp_path, cache), again(tmp_path, cache)
    assert (taken(first), began(first)) == ([], PATHS)
    assert (taken(second), began(second)) == (PATHS, [])
    assert [entry for entry in second.runtime.log if entry[0] in ("start", "store", "command")] == []
    one, other = read(first.directory), read(second.directory)
    assert (one.operations, one.steps, one.replicas) == (other.operations, other.steps, other.replicas)
    notes = [note.message.split()[0] for note in other.notes if note.kind == "cached"]
    assert sorted(notes, key=PATHS.index) == PATHS
    assert verdict(first) == verdict(second)
    logs = {file.name for file in (second.directory / "logs").glob("*")}
    assert logs == {file.name for file in (first.directory / "logs").glob("*")}


def test_without_a_cache_all_runs(tmp_path: Path, cache: CellCache) -> None:
    again(tmp_path, cache)
    place = tmp_path / "without"
    place.mkdir()
    assert began(rehearse(matrix(tmp_path, replicas=1), FakeRuntime(), place, 2)) == PATHS


@pytest.mark.parametrize(
    ("changed", "kept"),
    [("things-2", ["control-old-1", "control-old-2"]), ("things-1", []), ("db", [])],
)
def test_only_the_paths_run_that_a_changed_version_is_part_of(
    changed: str, kept: list[str], tmp_path: Path, cache: CellCache
) -> None:
    again(tmp_path, cache)
    second = again(tmp_path, cache, FakeRuntime(made_of={changed: "other"}))
    assert taken(second) == kept
    assert began(second) == [name for name in PATHS if name not in kept]
    assert taken(again(tmp_path, cache)) == PATHS, "what was kept before is still there"


def test_what_cannot_be_known_is_not_kept(tmp_path: Path, cache: CellCache) -> None:
    runtime = FakeRuntime(made_of={"things-2": None})
    again(tmp_path, cache, runtime)
    assert taken(again(tmp_path, cache, runtime)) == ["control-old-1", "control-old-2"]


def test_what_was_changed_during_the_run_is_not_kept(tmp_path: Path, cache: CellCache) -> None:
    runtime = FakeRuntime()

    def fails(spec: ReplicaSpec) -> bool:
        runtime.made_of["things-2"] = "edited"
        return False

    runtime.fails = fails
    again(tmp_path, cache, runtime)
    assert taken(again(tmp_path, cache)) == ["control-old-1", "control-old-2"]


def test_another_environment_another_plan_and_another_rollout_are_other_paths(
    tmp_path: Path, cache: CellCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(tmp_path, cache)
    assert taken(again(tmp_path, cache, rollback="none")) == [name for name in PATHS if name != "rollout"]
    monkeypatch.setenv("SHLVL", "17")
    assert taken(again(tmp_path, cache)) == PATHS
    monkeypatch.setenv("NEW_FLAG", "on")
    assert taken(again(tmp_path, cache)) == []


def test_a_cached_failure_is_confirmed_anew(tmp_path: Path, cache: CellCache) -> None:
    def fails(spec: ReplicaSpec) -> bool:
        return spec.version == "2" and spec.id.endswith(tuple(f"-5.{number}" for number in range(99)))

    first = again(tmp_path, cache, FakeRuntime(fails=fails))
    second = again(tmp_path, cache, FakeRuntime())
    assert any(isinstance(event, ConfirmationBegan) for event in first.events)
    assert taken(second) == PATHS
    assert any(isinstance(event, ConfirmationBegan) for event in second.events)
    assert ("start", "things", "2") in second.runtime.log, "the confirmation runs"
    third = again(tmp_path, cache, FakeRuntime())
    assert taken(third) == PATHS, "the confirmation itself is not kept"
    assert any(isinstance(event, ConfirmationBegan) for event in third.events)


def test_a_run_that_breaks_keeps_nothing(tmp_path: Path, cache: CellCache) -> None:
    assert again(tmp_path, cache, FakeRuntime(fails=lambda spec: spec.version == "2")).error is not None
    assert taken(again(tmp_path, cache)) == []


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        lambda entry: damage(entry / "history" / "operations.jsonl"),
        lambda entry: (entry / "history" / "steps.jsonl").unlink(),
        lambda entry: (entry / "cell.json").write_text("{"),
        lambda entry: replaced(entry / "history" / "steps.jsonl", Path("/dev/zero")),
        lambda entry: replaced(entry / "cell.json", Path("/dev/zero")),
        lambda entry: replaced(entry / "cell.json", Path("cell.json")),
        lambda entry: shutil.rmtree(entry) or entry.write_text(""),
    ],
)
def test_a_damaged_entry_is_none(harm: Callable[[Path], object], tmp_path: Path, cache: CellCache) -> None:
    again(tmp_path, cache)
    for entry in cache.folder.iterdir():
        harm(entry)
    second = again(tmp_path, cache)
    assert (taken(second), second.error) == ([], None)
    assert taken(again(tmp_path, cache)) == PATHS


def test_no_log_of_a_damaged_entry_stays_where_replicas_append_to_theirs(tmp_path: Path, cache: CellCache) -> None:
    part, run = tmp_path / "part", tmp_path / "run"
    (part / "history").mkdir(parents=True)
    run.mkdir()
    logs = [tmp_path / "a.log", tmp_path / "b.log"]
    for log in logs:
        log.write_text("ready\n")
    cache.put("key", StoredCell(cache.wall(), (0, 0, 0), StoredLearned(WaitingTimes().stored(), (), {})), part, logs)
    assert cache.take("key", part, run) is not None
    assert sorted(file.name for file in (run / "logs").iterdir()) == ["a.log", "b.log"]
    shutil.rmtree(run / "logs")
    damage(cache.folder / "key" / "logs" / "b.log")
    assert cache.take("key", part, run) is None
    assert list((run / "logs").iterdir()) == []


def replaced(file: Path, target: Path) -> None:
    """Replace a file by a symbolic link."""
    file.unlink()
    file.symlink_to(target)


def test_a_folder_that_cannot_be_written_is_read(tmp_path: Path, cache: CellCache, monkeypatch: Any) -> None:
    again(tmp_path, cache)

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refused)
    assert taken(again(tmp_path, cache)) == PATHS


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("VERIFIER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cell_cache.default_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cell_cache.default_folder() == Path("/somewhere/verifier/paths")


def test_old_entries_are_not_used(tmp_path: Path, cache: CellCache) -> None:
    again(tmp_path, cache)
    later = replace(cache, wall=lambda: cache.wall() + (MOST_DAYS + 1) * DAY)
    assert taken(again(tmp_path, later)) == []


def test_the_folder_is_bounded_and_what_was_used_least_recently_goes(
    tmp_path: Path, cache: CellCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(tmp_path, cache)
    entries = sorted(cache.folder.iterdir())
    for age, entry in enumerate(entries):
        os.utime(entry / "cell.json", (1e9 - age, 1e9 - age))
    sizes = [sum(file.stat().st_size for file in entry.rglob("*") if file.is_file()) for entry in entries]
    unfinished = cache.folder / ".part-of-a-killed-run"
    unfinished.mkdir()
    os.utime(unfinished, (1e9, 1e9))
    monkeypatch.setattr(cell_cache, "MOST_BYTES", sum(sizes[:2]))
    cache.trim()
    assert sorted(cache.folder.iterdir()) == entries[:2]


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = CellCache(tmp_path / "file" / "cache")
    ran = again(tmp_path, blocked)
    assert (ran.error, began(ran)) == (None, PATHS)


def test_only_the_owner_can_enter_it(tmp_path: Path, cache: CellCache) -> None:
    again(tmp_path, cache)
    assert [folder.stat().st_mode & 0o777 for folder in (cache.folder, *cache.folder.iterdir())] == [0o700] * 6
    kept = json.loads(next(cache.folder.glob("*/cell.json")).read_text())
    assert all(len(digest) == 64 for digest in kept["files"].values())
