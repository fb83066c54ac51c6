"""A kill or a pause in the middle of work: when it hits, what waits meanwhile, and how long the client goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, ReplayHarness, replay, replay_harness, run_bounded, step, until
from tests.replay.test_polling_accepted import BEGIN, accepted, promised
from verifier.gateway.rotation import Endpoint
from verifier.http.message import Response
from verifier.plan.model import Fault
from verifier.replay import midwork, waiting_times
from verifier.replay.budget import Budget
from verifier.replay.session import SessionReplayer
from verifier.replay.waiting_times import TRIES, WaitingTimes

LOOK = (request("GET", "/other"), answer(200, {}))
KILL = Fault("kill", 0, "begin", "1", "1", moment=0.5)


class NoStart(Exception):
    pass


@dataclass
class Killed:
    """Replicas that are killed and replaced by another listener, or paused; `log` tells what was asked."""

    harness: ReplayHarness
    starts: bool = True
    log: list[str] = field(default_factory=list)
    waits: asyncio.Event = field(default_factory=asyncio.Event)  # for the replacement; set at first
    aside: list[Endpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waits.set()

    def names(self, service: str, version: str) -> tuple[str, ...]:
        return tuple(entry.replica for entry in self.harness.rotation.of(service) if entry.version == version)

    async def kill(self, service: str, version: str) -> None:
        self.log.append("kill")
        for name in self.names(service, version):
            self.harness.rotation.remove(name)

    async def replace(self) -> None:
        await self.waits.wait()
        if not self.starts:
            raise NoStart
        self.log.append("replace")
        await self.harness.replica("orders", "1", "another")

    async def pause(self, service: str, version: str, replica: str) -> bool:
        self.log.append("pause")
        chosen = [entry for entry in self.harness.rotation.of(service) if entry.replica == replica]
        self.aside = [entry for entry in chosen if self.harness.rotation.remove(entry.replica)]
        return True

    async def resume(self) -> None:
        if self.aside:
            self.log.append("resume")
        for entry in self.aside:
            self.harness.rotation.add(entry)
        self.aside = []


def hitting(harness: ReplayHarness, killed: Killed, takes: float = 0.2) -> SessionReplayer:
    """A replayer that knows how long the work takes undisturbed."""
    replayer = harness.replayer(BEGIN, LOOK)
    replayer.replicas = killed
    harness.context.waiting_times.ended(("s1", 0), "control-old", takes, takes)
    return replayer


def working(done: Callable[[Arrival], bool]) -> Callable[[Arrival], object]:
    async def works(arrival: Arrival) -> Response:
        if arrival.request.method == "POST":
            return accepted()
        return answer(200, {"status": "done" if done(arrival) else "running"})

    return works


def test_the_only_replica_is_killed_in_mid_work_and_the_client_waits_for_its_successor(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(
            working(lambda _: "replace" in killed.log), "1", registry=promised(tmp_path)
        ) as harness:
            killed = Killed(harness)
            await hitting(harness, killed).run(step(replay("1", "1", fault=KILL)), lambda: None)
            begun, *others = harness.operations
            (injected,), (end,) = harness.injected, harness.ends
            assert (begun.fault, injected.kind, injected.operation) == ("kill", "kill", begun.id)
            assert killed.log == ["kill", "replace"]
            assert end.how == "ended"
            assert end.waited >= KILL.moment * 0.2
            assert not any(entry.error for entry in harness.operations), "nothing is refused meanwhile"
            assert "another" in {entry.replica for entry in others}
            assert harness.context.disturbance is None
            assert harness.context.waiting_times.fault is None

    run_bounded(scenario())


def test_work_that_has_ended_is_not_hit(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(working(lambda _: True), "1", registry=promised(tmp_path)) as harness:
            killed = Killed(harness)
            await hitting(harness, killed, 60.0).run(step(replay("1", "1", fault=KILL)), lambda: None)
            assert (killed.log, harness.injected) == ([], [])
            assert [end.how for end in harness.ends] == ["ended"] * TRIES
            assert [note.kind for note in harness.notes] == ["not-run"]

    run_bounded(scenario())


def test_the_time_to_wait_counts_from_the_successor(tmp_path: Path) -> None:
    """Leases may expire while nobody runs: the bound has passed by then, and begins anew."""

    async def scenario() -> None:
        async with replay_harness(
            working(lambda _: "replace" in killed.log), "1", registry=promised(tmp_path, "300ms")
        ) as harness:
            killed = Killed(harness)
            killed.waits.clear()
            running = asyncio.create_task(
                hitting(harness, killed).run(step(replay("1", "1", fault=KILL)), lambda: None)
            )
            await until(lambda: killed.log == ["kill"])
            await asyncio.sleep(0.6)  # twice the bound
            killed.waits.set()
            await running
            (end,) = harness.ends
            assert end.how == "ended"
            assert end.waited >= 0.6

    run_bounded(scenario())


def test_work_that_nobody_takes_up_again_is_open_and_not_followed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(working(lambda _: False), "1", registry=promised(tmp_path, "300ms")) as harness:
            replayer = hitting(harness, Killed(harness))
            await replayer.run(step(replay("1", "1", fault=KILL)), lambda: None)
            assert [end.how for end in harness.ends] == ["open"]
            assert len(replayer.backlog) == 0

    run_bounded(scenario())


def test_a_successor_that_does_not_start_fails_the_step(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(working(lambda _: False), "1", registry=promised(tmp_path, "300ms")) as harness:
            replayer = hitting(harness, Killed(harness, starts=False))
            with pytest.raises(NoStart):
                await replayer.run(step(replay("1", "1", fault=KILL)), lambda: None)
            assert harness.context.disturbance is None

    run_bounded(scenario())


def test_a_read_that_the_kill_cuts_is_sent_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def hangs(arrival: Arrival) -> Response | object:
            if arrival.request.method == "GET" and "replace" not in killed.log:
                await until(lambda: "replace" in killed.log)
                return Response(0, (), b"")  # never seen: the listener has gone
            return accepted() if arrival.request.method == "POST" else answer(200, {"status": "done"})

        async with replay_harness(hangs, "1", registry=promised(tmp_path)) as harness:
            killed = Cutting(harness)
            await hitting(harness, killed).run(step(replay("1", "1", fault=KILL)), lambda: None)
            assert [end.how for end in harness.ends] == ["ended"]
            assert not any(entry.error for entry in harness.operations)
            context = harness.context
            assert context.sent == context.answered + context.failed
            assert context.failed == 1

    run_bounded(scenario())


class Cutting(Killed):
    """Closes its listener with the requests in flight."""

    async def kill(self, service: str, version: str) -> None:
        await super().kill(service, version)
        await self.harness.listeners[0].close(0.0)


@pytest.mark.parametrize("moment", [0.0, 0.9])
def test_a_paused_replica_goes_on_after_a_while(moment: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(midwork, "LEAST", 0.2)

    async def scenario() -> None:
        async with replay_harness(
            working(lambda _: "resume" in killed.log), "1", registry=promised(tmp_path)
        ) as harness:
            killed = Killed(harness)
            fault = replace(KILL, kind="pause", moment=moment)
            await hitting(harness, killed).run(step(replay("1", "1", fault=fault)), lambda: None)
            assert killed.log == ["pause", "resume"]
            assert [entry.kind for entry in harness.injected] == ["pause"]
            assert [end.how for end in harness.ends] == ["ended"]
            assert not any(entry.error for entry in harness.operations)
            assert len(harness.rotation.of("orders")) == 1

    run_bounded(scenario())


def test_where_old_never_takes_work_up_again_nobody_else_is_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(working(lambda _: False), "1", registry=promised(tmp_path, "300ms")) as harness:
            killed = Killed(harness)
            replayer = hitting(harness, killed)
            replayer.backlog.kind = "control-old"
            await replayer.run(step(replay("1", "1", fault=KILL)), lambda: None)
            replayer.backlog.kind = "rollout"
            replayer.budget = AdmitsAll(1e9, None, harness.context.clock)  # type: ignore[arg-type]
            await replayer.run(step(replay("1", "1", fault=KILL)), lambda: None)
            assert killed.log == ["kill", "replace"]
            assert [note.kind for note in harness.notes] == ["not-run"]

    run_bounded(scenario())


class AdmitsAll(Budget):
    def __post_init__(self) -> None:
        pass

    def admits(self, replay: object) -> bool:
        return True


def test_what_a_control_shows_after_a_kill_bounds_the_later_waitings() -> None:
    times, place = WaitingTimes(), ("s1", 1)
    times.ended(place, "control-old", 2.0, 1.0)
    assert times.bound(place, "rollout", 0.0) == 20.0
    times.fault = KILL
    assert times.bound(place, "control-old", 0.0) == waiting_times.FIRST_RECOVERY
    times.ended(place, "control-old", 3.0, 2.0)
    assert times.bound(place, "rollout", 0.0) == 30.0
    assert times.bound(place, "rollout", 0.0, recovers=7.0) == 7.0
    times.in_vain("rollout.2", "begin")
    assert times.bound(place, "rollout", 0.0) == 9.0, "shown once at length, then briefly"
    assert times.no_news("rollout.3", KILL) == ""
    times.in_vain("control-old-1.1", "begin", "control-old")
    assert "with all old" in times.no_news("rollout.3", replace(KILL, first="2", second="1"))
    times.fault = None
    assert times.needed == {place: 2.0}
    assert times.bound(place, "rollout", 0.0) == 20.0


@pytest.mark.parametrize("kind", ["kill", "pause"])
def test_where_work_does_not_end_anyway_nobody_is_disturbed(kind: str) -> None:
    times, fault = WaitingTimes(), replace(KILL, kind=kind)
    times.in_vain("rollout.2", "begin")
    assert times.no_news("rollout.2", fault) == "such work does not end there anyway"
    assert times.no_news("rollout.3", fault) == times.no_news("rollout.2", replace(fault, name="rename")) == ""
    assert times.no_news("rollout.2", replace(fault, kind="handover")) == ""


def test_how_long_work_is_under_way_is_the_shorter_ones_of_undisturbed_controls() -> None:
    times = WaitingTimes()
    for under_way in (0.5, 0.3, 0.4, 0.9, 0.35):
        times.ended(("s1", 2), "control-old", 1.0, under_way)
    times.ended(("s1", 2), "rollout", 1.0, 0.01)
    times.ended(("s1", 9), "control-old", 1.0, 7.0)
    assert times.takes("s1", 1) == 0.35
    assert times.takes("s1", 3) == 7.0
    assert times.takes("s2", 0) == 0.0
