"""Handing work over: who accepted it is paused until somebody else has done it, or for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, Handler, ReplayHarness, replay, replay_harness, run_bounded, step
from tests.replay.test_polling_accepted import BEGIN, accepted, promised
from verifier.gateway.rotation import Endpoint
from verifier.http.message import Response
from verifier.plan.model import MET_NO_WORK, Fault
from verifier.replay import handover
from verifier.replay.session import SessionReplayer
from verifier.replay.waiting_times import TRIES, TRIES_UNKNOWN

LOOK = (request("GET", "/other"), answer(200, {}))


@dataclass
class Paused:
    """Replicas that are taken out of rotation, and tell what they were asked."""

    harness: ReplayHarness
    able: bool = True
    log: list[tuple[str, ...]] = field(default_factory=list)
    aside: list[Endpoint] = field(default_factory=list)
    resumed: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self, service: str, version: str, replica: str) -> bool:
        self.log.append(("pause", service, version, replica))
        rotation = self.harness.rotation
        chosen = [
            entry for entry in rotation.of(service) if replica in ("", entry.replica) and entry.version == version
        ]
        self.aside = [entry for entry in chosen if rotation.remove(entry.replica)]
        return self.able

    def names(self, service: str, version: str) -> tuple[str, ...]:
        return tuple(entry.replica for entry in self.harness.rotation.of(service) if entry.version == version)

    async def kill(self, service: str, version: str) -> None:
        raise AssertionError("a handover kills nobody")

    async def replace(self) -> None:
        raise AssertionError("a handover kills nobody")

    async def resume(self) -> None:
        if self.aside:
            self.log.append(("resume",))
        for entry in self.aside:
            self.harness.rotation.add(entry)
        self.aside = []
        self.resumed.set()


def fault(first: str, second: str) -> Fault:
    return Fault("handover", 0, "begin", first, second)


def handing_over(harness: ReplayHarness, paused: Paused | None) -> SessionReplayer:
    replayer = harness.replayer(BEGIN, LOOK)
    replayer.replicas = paused
    return replayer


def working(handed_over: Callable[[int], bool] = lambda _: True) -> Handler:
    """Work that is open at the first read after its acceptance and done at the second; so is every piece of it for
    which `handed_over`, by the number of its acceptance. Any other is done at the first.
    """
    posts, reads = 0, 0

    async def works(arrival: Arrival) -> Response:
        nonlocal posts, reads
        if arrival.request.method == "POST":
            posts, reads = posts + 1, 0
            return accepted()
        reads += 1
        return answer(200, {"status": "done" if reads > handed_over(posts) else "queued"})

    return works


@pytest.mark.parametrize(("first", "second"), [("1", "2"), ("2", "1"), ("1", "1")])
def test_who_accepted_the_work_sees_nothing_until_it_is_done(first: str, second: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(working(), first, registry=promised(tmp_path)) as harness:
            await harness.replica("orders", second, "another")
            paused = Paused(harness)
            planned = replay(first, second, fault=fault(first, second))
            await handing_over(harness, paused).run(step(planned), lambda: None)
            begun, *others = harness.operations
            assert (begun.version, begun.fault) == (first, "handover")
            assert others
            assert begun.replica not in {entry.replica for entry in others}
            one = begun.replica if first == second else ""
            assert paused.log == [("pause", "orders", first, one), ("resume",)]
            (injected,) = harness.injected
            assert (injected.kind, injected.first, injected.second) == ("handover", first, second)
            assert len(harness.rotation.of("orders")) == 2

    run_bounded(scenario())


def test_a_handover_that_came_too_late_is_tried_again_until_one_meets_its_work(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(working(lambda post: post == 3), "1", "2", registry=promised(tmp_path)) as harness:
            paused = Paused(harness)
            replayer = handing_over(harness, paused)
            await replayer.run(step(replay("1", "2", fault=fault("1", "2"))), lambda: None)
            tries = [entry.replay for entry in harness.operations if entry.fault == "handover"]
            assert tries == ["r1", "r1+2", "r1+3"]
            assert [entry.replay for entry in harness.injected] == tries
            assert harness.notes == []
            assert len(paused.log) == 2 * len(tries)

    run_bounded(scenario())


def test_a_handover_that_never_meets_its_work_is_no_coverage(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(working(lambda _: False), "1", "2", registry=promised(tmp_path)) as harness:
            await handing_over(harness, Paused(harness)).run(
                step(replay("1", "2", fault=fault("1", "2"))), lambda: None
            )
            assert len(harness.injected) == TRIES
            (note,) = harness.notes
            assert note.kind == "not-run"
            assert MET_NO_WORK in note.message
            assert note.operation == harness.operations[0].id

    run_bounded(scenario())


def test_where_handovers_are_known_one_that_waited_for_its_acceptor_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The acceptor stood still with a lock, or with the work itself: that says nothing about the others."""
    monkeypatch.setattr(handover, "LEAST", 0.05)

    async def scenario(known: bool) -> int:
        async def stubborn(arrival: Arrival) -> Response:
            if arrival.request.method == "POST":
                paused.resumed.clear()
                return accepted()
            return answer(200, {"status": "done" if paused.resumed.is_set() else "queued"})

        async with replay_harness(stubborn, "1", "2", registry=promised(tmp_path)) as harness:
            paused, planned = Paused(harness), fault("1", "2")
            if known:
                harness.context.waiting_times.disturbed(planned, "")
            await handing_over(harness, paused).run(step(replay("1", "2", fault=planned)), lambda: None)
            return len(harness.injected)

    assert run_bounded(scenario(known=True)) == TRIES
    assert run_bounded(scenario(known=False)) == TRIES_UNKNOWN


def test_work_that_only_its_acceptor_can_do_is_done_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "LEAST", 0.2)

    async def scenario() -> None:
        async def stubborn(arrival: Arrival) -> Response:
            if arrival.request.method == "POST":
                paused.resumed.clear()
                return accepted()
            return answer(200, {"status": "done" if paused.resumed.is_set() else "queued"})

        async with replay_harness(stubborn, "1", "2", registry=promised(tmp_path)) as harness:
            paused = Paused(harness)
            await handing_over(harness, paused).run(step(replay("1", "2", fault=fault("1", "2"))), lambda: None)
            assert [end.how for end in harness.ends] == ["ended"] * TRIES_UNKNOWN
            assert harness.ends[0].waited >= 0.2
            assert harness.context.waiting_times.needed == {}

    run_bounded(scenario())


def test_a_pause_ends_before_the_declared_bound(tmp_path: Path) -> None:
    """Else work that only its acceptor can do would never end in time."""

    async def scenario() -> None:
        async def stubborn(arrival: Arrival) -> Response:
            if arrival.request.method == "POST":
                paused.resumed.clear()
                return accepted()
            return answer(200, {"status": "done" if paused.resumed.is_set() else "queued"})

        async with replay_harness(stubborn, "1", "2", registry=promised(tmp_path, "1s")) as harness:
            paused = Paused(harness)
            await handing_over(harness, paused).run(step(replay("1", "2", fault=fault("1", "2"))), lambda: None)
            assert {end.how for end in harness.ends} == {"ended"}

    run_bounded(scenario())


def test_what_was_refused_is_handed_to_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def refuses(arrival: Arrival) -> Response:
            return answer(503, {})

        async with replay_harness(refuses, "1", "2", registry=promised(tmp_path)) as harness:
            paused = Paused(harness)
            await handing_over(harness, paused).run(step(replay("1", "2", fault=fault("1", "2"))), lambda: None)
            assert (paused.log, harness.injected) == ([], [])

    run_bounded(scenario())


@pytest.mark.parametrize("able", [False, None])
def test_without_a_pause_nothing_was_handed_over(able: bool | None, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(working(), "1", "2", registry=promised(tmp_path)) as harness:
            paused = None if able is None else Paused(harness, able)
            await handing_over(harness, paused).run(step(replay("1", "2", fault=fault("1", "2"))), lambda: None)
            assert harness.injected == []
            assert [note.kind for note in harness.notes] == ([] if able is None else ["not-run"])
            assert len(harness.rotation.of("orders")) == 2

    run_bounded(scenario())


def test_nobody_else_is_replayed_meanwhile(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(working(), "1", "2", registry=promised(tmp_path)) as harness:
            paused = Paused(harness)
            planned = [replay("1", "2", fault=fault("1", "2"), id="r1")]
            planned += [replay("1", "1", id=f"r{number}") for number in range(2, 8)]
            await handing_over(harness, paused).run(step(*planned), lambda: None)
            alone = [entry for entry in harness.operations if entry.replay == "r1"]
            began, ended = min(entry.started for entry in alone), max(entry.ended for entry in alone)
            others = [entry for entry in harness.operations if entry.replay != "r1"]
            assert others
            assert all(entry.ended <= began or entry.started >= ended for entry in others)
            assert not any(entry.error for entry in harness.operations)

    run_bounded(scenario())
