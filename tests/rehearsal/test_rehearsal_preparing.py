"""Fresh stores are made ready once; the first replica of a version starts alone and is awaited."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, matrix, rehearse
from verifier.errors import BrokenEnvironment
from verifier.history.store import read
from verifier.matrix.model import Matrix, Migrations, Service, Store
from verifier.matrix.pairs import pairs
from verifier.plan.model import Action
from verifier.rehearsal.environment import fill, parts
from verifier.rehearsal.starting import waves
from verifier.rehearsal.templates import key_of
from verifier.runtime.base import Address, ReplicaSpec, StartFailure


def prepared_matrix(folder: Path, **changes: object) -> Matrix:
    """The small matrix whose old version prepares the store, and whose store is seeded."""
    made = matrix(folder)
    (things,) = made.services
    old = replace(things.old, prepare=("prepare", "${stores.db.url}"), seed=("seed", "it"))
    (folder / "data.sql").write_text("")
    things = replace(things, versions=(old, things.new))
    stores = (replace(made.stores[0], seed=folder / "data.sql"),)
    return replace(made, services=(things,), stores=stores, **changes)


def paths(log: list[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    """What was done for each set of stores, after they started."""
    found: list[list[tuple[str, ...]]] = []
    for entry in log:
        if entry[0] == "store":
            found.append([])
        elif found:
            found[-1].append(entry)
    return found


def test_stores_are_prepared_and_seeded_once_per_path_before_the_first_replica(tmp_path: Path) -> None:
    ran = rehearse(prepared_matrix(tmp_path), FakeRuntime(), tmp_path)
    assert ran.error is None
    every = paths(ran.runtime.log)
    assert len(every) == len(ran.prepared.plan.paths)
    for path in every:
        assert path[:3] == [
            ("command", "prepare", "pretend://db"),
            ("seed", "db", "data.sql"),
            ("command", "seed", "it"),
        ]
        assert path[3][0] == "start"
        assert not [entry for entry in path[3:] if entry[0] in ("seed",) or entry[1:2] in (("prepare",), ("seed",))]


def test_a_preparation_that_fails_breaks_the_environment_and_says_why(tmp_path: Path) -> None:
    ran = rehearse(prepared_matrix(tmp_path), FakeRuntime(migration=3), tmp_path)
    assert isinstance(ran.error, BrokenEnvironment)
    assert "on the fresh stores of control-old-1: prepare of things 1 failed: exit code 3\nlast words" in str(ran.error)


def test_stores_that_can_be_copied_are_prepared_once_in_a_run(tmp_path: Path) -> None:
    ran = rehearse(prepared_matrix(tmp_path), FakeRuntime(keeps=2), tmp_path)
    assert ran.error is None
    log = ran.runtime.log
    begin = log.index(("store", "db"))
    assert log[begin + 1 : begin + 6] == [
        ("command", "prepare", "pretend://db"),
        ("seed", "db", "data.sql"),
        ("command", "seed", "it"),
        ("keep", log[begin + 4][1]),
        ("stop store", "db"),
    ]
    assert log.count(("copied store", "db")) == len(ran.prepared.plan.paths)
    assert [log.count(entry) for entry in log[begin : begin + 4]] == [1] * 4
    names = {event.replica for event in read(ran.directory).replicas}
    (tmp_path / "anew").mkdir()
    anew = rehearse(prepared_matrix(tmp_path), FakeRuntime(), tmp_path / "anew")
    assert names == {event.replica for event in read(anew.directory).replicas}, "copies change no names"
    assert not (ran.directory / "templates").exists()


@pytest.mark.parametrize(("keeps", "why"), [(0, "it is pretended"), (1, "their data could not be copied")])
def test_stores_that_cannot_be_copied_are_prepared_anew_and_a_note_says_so(
    keeps: int, why: str, tmp_path: Path
) -> None:
    ran = rehearse(prepared_matrix(tmp_path), FakeRuntime(keeps=keeps), tmp_path)
    assert ran.error is None
    prepared = ran.runtime.log.count(("command", "prepare", "pretend://db"))
    assert prepared == len(ran.prepared.plan.paths) + keeps
    notes = [note.message for note in read(ran.directory).notes if note.kind == "prepared-anew"]
    assert notes == [f"the stores are made ready anew for each path: {why}"]


def test_pairs_share_the_template_of_stores_that_begin_alike(tmp_path: Path) -> None:
    first, last = prepared_matrix(tmp_path), prepared_matrix(tmp_path)
    (things,) = last.services
    other = replace(things, versions=(things.old, replace(things.new, name="3")))
    assert key_of(first, "process") == key_of(replace(last, services=(other,)), "process")
    changed = replace(things, versions=(replace(things.old, seed=("seed", "more")), things.new))
    assert key_of(first, "process") != key_of(replace(last, services=(changed,)), "process")
    assert key_of(first, "process") != key_of(first, "docker")
    before = key_of(first, "process")
    (tmp_path / "data.sql").write_text("select 1;")
    assert key_of(first, "process") != before
    assert key_of(matrix(tmp_path), "process") is None, "what is made at once needs no template"


@dataclass
class StartingRuntime(FakeRuntime):
    """Notes how many replicas are starting at a time; the first of each version needs a while."""

    starting: int = 0
    alone: list[tuple[str, bool]] = field(default_factory=list)

    async def start(self, spec: ReplicaSpec) -> Address | StartFailure:
        self.starting += 1
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            self.alone.append((spec.version, self.starting == 1))
            return await super().start(spec)
        finally:
            self.starting -= 1


def test_the_first_replica_of_a_version_starts_alone(tmp_path: Path) -> None:
    runtime = StartingRuntime()
    assert rehearse(matrix(tmp_path, replicas=3), runtime, tmp_path).error is None
    assert runtime.alone[:3] == [("1", True), ("1", False), ("1", True)] or runtime.alone[:2] == [
        ("1", True),
        ("1", False),
    ]


def system(folder: Path) -> Matrix:
    """A front end that calls an API on a store, which a worker shares, and another service with its own store."""
    made = matrix(folder)
    (things,) = made.services

    def service(name: str, kind: str = "web", **environment: str) -> Service:
        version = replace(things.old, environment=tuple(environment.items()), migrations=Migrations())
        return replace(things, name=name, kind=kind, versions=(version,))

    services = (
        service("mailer", "worker", DB="${stores.db.url}"),
        service("front", API="http://api:8080", DB="${stores.db.host}"),
        service("api", DB="${stores.db.url}"),
        service("other", DB="${stores.own.url}"),
    )
    return replace(made, services=services, stores=(made.stores[0], Store("own", None, "sqlite", (), None, None)))


def test_those_that_share_a_store_start_one_after_the_other_callees_first_and_workers_last(tmp_path: Path) -> None:
    made = system(tmp_path)
    actions = [Action("start", service.name, "1", slot) for service in made.services for slot in (1, 2)]
    queues, rest = waves(made, actions, ())
    assert [[action.service for action in queue] for queue in queues] == [["api", "front", "mailer"], ["other"]]
    assert [action.slot for action in rest] == [2, 2, 2, 2]
    queues, rest = waves(made, actions, {("api", "1"), ("other", "1")})
    assert [[action.service for action in queue] for queue in queues] == [["front", "mailer"]]
    assert len(rest) == 6


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("sqlite:////tmp/a/db.sqlite", {"path": "/tmp/a/db.sqlite", "database": "/tmp/a/db.sqlite"}),
        ("file:///tmp/a", {"path": "/tmp/a"}),
        ("redis://127.0.0.1:6379/0", {"host": "127.0.0.1", "port": "6379", "database": "0"}),
        (
            "postgresql://us%40er:p%2Fw@h:5432/data",
            {"host": "h", "port": "5432", "user": "us@er", "password": "p/w", "database": "data"},
        ),
    ],
)
def test_the_parts_of_a_store(url: str, wanted: dict[str, str]) -> None:
    assert parts(url) == wanted
    for name, value in wanted.items():
        assert fill(f"<${{stores.db.{name}}}>", {"db": url}) == f"<{value}>"
    with pytest.raises(BrokenEnvironment, match="stands for nothing"):
        fill("${stores.db.user}", {"db": "tcp://h:1"})


def test_stores_of_a_later_pair_go_through_the_earlier_versions(tmp_path: Path) -> None:
    """The oldest version prepares, seeds and starts, it stops, and the migrations of the old version follow.

    The earlier replica takes no part in the rollout: the history has no event of it.
    """
    made = prepared_matrix(tmp_path)
    (things,) = made.services
    second = replace(things.new, migrations=Migrations(expand=("expand", "2"), contract=("contract", "2")))
    third = replace(things.new, name="3", migrations=Migrations(expand=("expand", "3")))
    three = replace(made, services=(replace(things, versions=(things.old, second, third)),))
    later = pairs(three)[1].matrix
    ran = rehearse(later, FakeRuntime(), tmp_path)
    assert ran.error is None
    for path in paths(ran.runtime.log):
        begun = [entry for entry in path if entry[0] != "stop"][:8]
        assert begun == [
            ("command", "prepare", "pretend://db"),
            ("seed", "db", "data.sql"),
            ("command", "seed", "it"),
            ("start", "things", "1"),
            ("command", "expand", "2"),
            ("command", "contract", "2"),
            ("start", "things", "2"),
            ("start", "things", "2"),
        ]
        assert path[4] == ("stop", "things", "1")
    assert {event.version for event in read(ran.directory).replicas} == {"2", "3"}
