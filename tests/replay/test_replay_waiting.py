"""Recorded waiting in replays: sent as waiting, up to a bound, with an end for each piece of accepted work."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, ReplayHarness, replay, replay_harness, run_bounded, step
from verifier.history.model import Operation
from verifier.http.message import Response, header
from verifier.replay import backlog, waiting_times
from verifier.replay.backlog import Backlog
from verifier.replay.waiting_times import WaitingTimes

MINE = "n-aaa7f3a9c51e2b84d06"
JOB = "58b220cc-2842-4b24-887b-2a872f7792db"
POST = (request("POST", "/jobs", {"n": MINE}), answer(202, {"id": JOB}))


def look(body: Any, target: str = "/done", headers: tuple[tuple[str, str], ...] = ()) -> Any:
    return request("GET", target, None, headers), body if isinstance(body, Response) else answer(200, body)


def entry(*names: str) -> list[dict[str, str]]:
    return [{"n": name} for name in names]


LISTED = (POST, look([]), look(entry(MINE)))
STATED = (POST, look({"state": "queued"}, f"/jobs/{JOB}"), look({"state": "done"}, f"/jobs/{JOB}"))
Responding = Callable[["Jobs", Arrival], Response]


class Jobs:
    """Jobs that are done once they have been asked for `needed` times; others add theirs with every read.

    `responding` gives the response to a read. `lose` makes it a service that accepts and does nothing.
    """

    def __init__(self, responding: Responding, needed: int = 3, lose: bool = False) -> None:
        self.responding, self.needed, self.lose = responding, needed, lose
        self.accepted: list[tuple[str, str]] = []  # id, name
        self.reads = 0

    async def __call__(self, arrival: Arrival) -> Response:
        if arrival.request.method == "POST":
            name = json.loads(arrival.request.body)["n"]
            self.accepted.append((f"{len(self.accepted):08x}-2842-4b24-887b-2a872f7792db", name))
            return answer(202, {"id": self.accepted[-1][0]})
        self.reads += 1
        return self.responding(self, arrival)

    @property
    def is_done(self) -> bool:
        return not self.lose and self.reads >= self.needed

    @property
    def others(self) -> list[str]:
        return [f"n-{number:019x}" for number in range(self.reads)]

    @property
    def done(self) -> list[str]:
        return [*self.others, *(name for _, name in self.accepted if self.is_done)]


def listed(jobs: Jobs, arrival: Arrival) -> Response:
    return answer(200, [{"n": name, "by": arrival.version} for name in jobs.done])


def stated(jobs: Jobs, arrival: Arrival) -> Response:
    return answer(200, {"state": "done" if jobs.is_done else "queued"})


def polls(harness: ReplayHarness) -> list[Operation]:
    return [entry for entry in harness.operations if entry.source == "poll"]


async def run(harness: ReplayHarness, *pairs: Any) -> None:
    replayer = harness.replayer(*pairs)
    route = ["1"] * len(replayer.replay_scripts["s1"].script.steps)
    await replayer.run(step(replay(*route)), lambda: None)


def waits(responding: Responding, *pairs: Any, needed: int = 3, last: str = "", shown: str = "") -> None:
    """A replay of these pairs waits for its own work until it is done, through both versions, and goes on."""

    async def scenario() -> None:
        jobs = Jobs(responding, needed)
        async with replay_harness(jobs, "1", "2") as harness:
            made = harness.replayer(*pairs, look({"ok": 1}, "/after"))
            length = len(made.replay_scripts["s1"].script.steps)
            await made.run(step(replay(*["1"] * length)), lambda: None)
            (end,) = harness.ends
            assert (end.how, end.operation, end.index) == ("ended", "rollout.1/r1/1.1", length - 2)
            assert (end.declared, end.late, end.brief) == (False, False, False)
            assert end.reads == needed == len(polls(harness)) + 1
            assert {poll.version for poll in polls(harness)} == {"1", "2"}
            assert end.last == polls(harness)[-1].id and end.shown == shown
            assert last in end.wanted
            assert harness.arrived[-1].request.target == "/after"

    run_bounded(scenario())


def test_an_entry_in_a_list_that_others_grow_meanwhile() -> None:
    waits(listed, *LISTED, last=" appears in GET /done", shown="entry present")


def test_a_field() -> None:
    waits(stated, *STATED, last="$.state = done in GET /jobs/{}", shown="done")


def test_a_search_that_repeats_what_was_asked_for() -> None:
    def searched(jobs: Jobs, arrival: Arrival) -> Response:
        asked = arrival.request.target.partition("=")[2]
        return answer(200, {"q": asked, "hits": [{"title": f"job {name}"} for name in jobs.done if name == asked]})

    def found(*names: str) -> Any:
        return look({"q": MINE, "hits": [{"title": f"job {name}"} for name in names]}, f"/search?q={MINE}")

    waits(searched, POST, found(), found(MINE), shown="entry present")


def test_a_page() -> None:
    def page(names: list[str]) -> Response:
        rows = "".join(f"<li>{name}</li>" for name in names)
        return answer(200, f"<ul>{rows}</ul>", (("Content-Type", "text/html"),))

    waits(lambda jobs, _: page(jobs.done), POST, look(page([])), look(page([MINE])), shown="entry present")


def test_a_count_from_what_the_session_read_before() -> None:
    async def scenario() -> None:
        counts = iter((40, 40, 40, 41))

        async def counted(arrival: Arrival) -> Response:
            return answer(202, {}) if arrival.request.method == "POST" else answer(200, {"done": next(counts)})

        def stats(done: int) -> Any:
            return look({"done": done}, "/stats")

        async with replay_harness(counted, "1") as harness:
            await run(harness, stats(0), POST, stats(0), stats(1))
            (end,) = harness.ends
            assert (end.how, end.reads, end.shown) == ("ended", 3, "41")
            assert end.operation == "rollout.1/r1/2.1"

    run_bounded(scenario())


def test_a_status() -> None:
    def there(jobs: Jobs, arrival: Arrival) -> Response:
        return answer(200, {}) if jobs.is_done else answer(404)

    # More often than polls may fail: not to be there yet is no failure.
    target = f"/jobs/{JOB}"
    waits(there, POST, look(answer(404), target), look(answer(200, {}), target), needed=9, shown="status 200")


def test_conditional_reads_carry_the_tag_of_the_response_before() -> None:
    async def scenario() -> None:
        asked: list[str | None] = []

        async def tagged(arrival: Arrival) -> Response:
            if arrival.request.method == "POST":
                return answer(202, {"id": JOB})
            asked.append(header(arrival.request.headers, "if-none-match"))
            if len(asked) > 4:
                return answer(200, {"state": "done"}, (("ETag", '"new"'),))
            return answer(304, None) if asked[-1] else answer(200, {"state": "queued"}, (("ETag", '"mine"'),))

        first, again = '"a"', (("If-None-Match", '"a"'),)
        target = f"/jobs/{JOB}"
        pairs = (
            POST,
            look(answer(200, {"state": "queued"}, (("ETag", first),)), target),
            look(answer(304), target, again),
            look(answer(200, {"state": "done"}, (("ETag", '"b"'),)), target, again),
        )
        async with replay_harness(tagged, "1") as harness:
            replayer = harness.replayer(*pairs)
            await replayer.run(step(replay("1", "1")), lambda: None)
            assert asked == [None, *['"mine"'] * 4]
            (end,) = harness.ends
            assert (end.how, end.shown, end.reads) == ("ended", "done", 5)
            (resource,) = replayer.resources
            assert header(resource.request.headers, "if-none-match") is None

    run_bounded(scenario())


@pytest.mark.parametrize("forgets", [True, False])
def test_polls_carry_the_cookies_that_the_response_before_has_left(
    forgets: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that a site shows once is kept in a cookie, and its page takes the cookie away."""
    monkeypatch.setattr(waiting_times, "LEAST", 0.2)
    told = (("Set-Cookie", "message=added"), ("Set-Cookie", "sid=s"))
    gone = (("Set-Cookie", "message=; Path=/; Max-Age=0"),)
    names: list[str] = []

    async def site(arrival: Arrival) -> Response:
        if arrival.request.method == "POST":
            names.append(json.loads(arrival.request.body)["n"])
            return answer(303, None, told)
        if "message" not in (header(arrival.request.headers, "cookie") or ""):
            return answer(200, entry(*names))
        return answer(200, entry(*names, *names), gone if forgets else ())

    pairs = (
        (request("POST", "/groups", {"n": MINE}), answer(303, None, told)),
        look(answer(200, entry(MINE, MINE), gone), "/groups/1", (("Cookie", "message=added; sid=s"),)),
        look(answer(200, entry(MINE)), "/groups/1", (("Cookie", "sid=s"),)),
        look({"ok": 1}, "/after", (("Cookie", "sid=s"),)),
    )

    async def scenario() -> None:
        async with replay_harness(site, "1") as harness:
            await run(harness, *pairs)
            (end,) = harness.ends
            assert (end.how, end.reads == 2) == (("ended", True) if forgets else ("open", False))
            sent = [header(entry.request.headers, "cookie") for entry in harness.arrived[1:]]
            assert sent[:2] == ["message=added; sid=s", "sid=s" if forgets else "message=added; sid=s"]
            assert ("message" in str(sent[-1])) is not forgets

    run_bounded(scenario())


def test_a_read_that_shows_it_at_once_is_sent_once() -> None:
    async def scenario() -> None:
        async with replay_harness(Jobs(listed, needed=1), "1") as harness:
            await run(harness, *LISTED)
            (end,) = harness.ends
            assert (end.how, end.reads, len(polls(harness))) == ("ended", 1, 0)
            assert end.last == "rollout.1/r1/2.1" and end.waited >= 0

    run_bounded(scenario())


def test_what_follows_is_learned_from_the_response_that_showed_it() -> None:
    async def scenario() -> None:
        def states(jobs: Jobs, arrival: Arrival) -> Response:
            return answer(
                200, {"state": "done", "invoice": {"id": 77}} if jobs.is_done else {"state": "new", "invoice": None}
            )

        target = f"/jobs/{JOB}"
        pairs = (
            POST,
            look({"state": "new", "invoice": None}, target),
            look({"state": "done", "invoice": {"id": 4711}}, target),
        )
        async with replay_harness(Jobs(states), "1") as harness:
            await run(harness, *pairs, look({"ok": 1}, "/invoices/4711"))
            assert harness.arrived[-1].request.target == "/invoices/77"

    run_bounded(scenario())


def test_what_the_recording_gave_up_is_sent_as_often_and_has_no_end() -> None:
    async def scenario() -> None:
        never = look({"state": "queued"}, f"/jobs/{JOB}")
        async with replay_harness(Jobs(stated, lose=True), "1", "2") as harness:
            made = harness.replayer(POST, never, never, never)
            (waiting,) = [entry.waiting for entry in made.replay_scripts["s1"].script.steps if entry.waiting]
            assert waiting.interval == 1.0
            await made.run(step(replay("1", "1")), lambda: None)
            assert [entry.source for entry in harness.operations] == ["replay", "replay", "poll", "poll"]
            started = [entry.started for entry in harness.operations[1:]]
            assert started[2] - started[0] >= 2.0
            assert harness.ends == []

    run_bounded(scenario())


# --- bounds ---


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_times, "LEAST", 0.2)
    monkeypatch.setattr(waiting_times, "LEAST_IN_CONTROL", 0.4)
    monkeypatch.setattr("verifier.replay.waiting_times.BRIEF", 0.05)
    monkeypatch.setattr(backlog, "SHORT", 0.1)


@pytest.mark.usefixtures("impatient")
def test_work_that_is_never_done_is_open_at_its_bound_and_the_session_goes_on() -> None:
    async def scenario() -> None:
        async with replay_harness(Jobs(listed, lose=True), "1", "2") as harness:
            replayer = harness.replayer(*LISTED, look({"ok": 1}, "/after"), concurrency=1)
            await replayer.run(step(*(replay(*["1"] * 3, id=f"r{n}") for n in range(1, 7))), lambda: None)
            assert [end.how for end in harness.ends] == ["open"] * 6
            assert [end.brief for end in harness.ends] == [False] * 3 + [True] * 3
            assert all(end.bound == 0.2 and end.shown == "entry absent" for end in harness.ends)
            assert min(end.waited for end in harness.ends[:3]) >= 0.2 > harness.ends[4].waited
            assert [entry.request.target for entry in harness.arrived].count("/after") == 6
            assert len(replayer.backlog) == 6

    run_bounded(scenario())


@pytest.mark.usefixtures("impatient")
def test_reads_that_all_fail_make_work_unreadable_and_end_the_session() -> None:
    async def scenario() -> None:
        async with replay_harness(Jobs(lambda _, __: answer(500, {})), "1") as harness:
            await run(harness, *LISTED, look({"ok": 1}, "/after"))
            (end,) = harness.ends
            assert (end.how, end.shown) == ("unreadable", "status 500")
            assert harness.arrived[-1].request.target == "/done"

    run_bounded(scenario())


def test_bounds_come_from_the_controls() -> None:
    times, place = WaitingTimes(), ("s1", 3)
    assert times.bound(place, "control-old", 0.3) == 40.0
    assert times.bound(place, "rollout", 4.0) == 5.0, "no control has seen it end"
    times.ended(place, "control-old", 0.7)
    times.ended(place, "control-old", 0.2)
    times.ended(place, "control-new", 9.0)
    assert times.bound(place, "rollout", 4.0) == 7.0
    assert times.bound(place, "control-new", 4.0) == 7.0, "old has shown how long it takes"
    assert times.bound(("s1", 4), "rollout", 4.0) == 5.0
    times.ended(place, "control-old", 30.2)
    assert times.bound(place, "rollout", 4.0) == 60.2
    assert times.bound(place, "control-old", 3600.0) == 120.0


def test_waiting_is_brief_once_enough_for_the_same_work_have_not_ended() -> None:
    times, place = WaitingTimes(), ("s1", 3)
    for _ in range(3):
        assert not times.is_brief("a", "POST /jobs")
        times.in_vain("a", "POST /jobs")
    assert times.is_brief("a", "POST /jobs")
    assert not times.is_brief("b", "POST /jobs"), "another step proves it anew"
    assert not times.is_brief("a", "POST /mails")
    assert times.brief(place) == 0.25
    times.ended(place, "control-old", 4.0)
    assert times.brief(place) == 12.0, "never less than work takes that is done"


# --- the backlog of a path ---


async def _lost(harness: ReplayHarness, *ids: str) -> Backlog:
    replayer = harness.replayer(*LISTED)
    await replayer.run(step(*(replay("1", "1", id=name) for name in ids)), lambda: None)
    return replayer.backlog


def followed(scenario: Callable[[ReplayHarness, Jobs, Backlog], Awaitable[None]]) -> None:
    async def whole() -> None:
        jobs = Jobs(listed, lose=True)
        async with replay_harness(jobs, "1", "2") as harness:
            await scenario(harness, jobs, await _lost(harness, "r1"))

    run_bounded(whole())


@pytest.mark.usefixtures("impatient")
def test_work_that_ends_in_a_later_step_has_a_late_end_there() -> None:
    async def scenario(harness: ReplayHarness, jobs: Jobs, open_work: Backlog) -> None:
        await open_work.follow(harness.context, "rollout.1")
        assert [end.how for end in harness.ends] == ["open"] and len(open_work) == 1
        jobs.lose = False
        await open_work.follow(harness.context, "rollout.2")
        first, late = harness.ends
        assert (late.how, late.late, late.step, late.operation) == ("ended", True, "rollout.2", first.operation)
        assert (late.replay, late.index, late.shown) == ("r1", 1, "entry present")
        assert late.waited > first.waited and late.last == polls(harness)[-1].id
        assert (polls(harness)[-1].step, polls(harness)[-1].replay) == ("rollout.2", "rollout.1:r1")
        assert len({entry.id for entry in harness.operations}) == len(harness.operations)
        assert len(open_work) == 0
        await open_work.follow(harness.context, "rollout.3")
        assert len(harness.ends) == 2

    followed(scenario)


@pytest.mark.usefixtures("impatient")
def test_open_work_is_asked_for_through_every_live_version_once_more_in_its_step() -> None:
    async def scenario(harness: ReplayHarness, jobs: Jobs, open_work: Backlog) -> None:
        before = len(polls(harness))
        await open_work.follow(harness.context, "rollout.1")
        assert [poll.version for poll in polls(harness)[before:]] == ["1", "2"], "its bound has passed"

    followed(scenario)


@pytest.mark.usefixtures("impatient")
def test_at_the_end_of_the_path_it_is_waited_for_up_to_the_bound() -> None:
    async def scenario(harness: ReplayHarness, jobs: Jobs, open_work: Backlog) -> None:
        jobs.lose, jobs.needed = False, jobs.reads + 6
        await open_work.follow(harness.context, "rollout.2", last=True)
        assert harness.ends[-1].late and harness.ends[-1].how == "ended"

    followed(scenario)


@pytest.mark.usefixtures("impatient")
def test_the_backlog_keeps_a_bounded_number_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST", 2)

    async def scenario() -> None:
        async with replay_harness(Jobs(listed, lose=True), "1") as harness:
            other = (request("POST", "/jobs", {"n": MINE.replace("a", "e")}), POST[1])
            two = (*LISTED, other, look(entry(MINE)), look(entry(MINE, MINE.replace("a", "e"))))
            replayer = harness.replayer(*two)
            await replayer.run(step(replay(*["1"] * 4), replay(*["1"] * 4, id="r2")), lambda: None)
            assert len(harness.ends) == 4 and len(replayer.backlog) == 2
            assert {work.attempt.index for work in replayer.backlog.works} == {1, 3}

    run_bounded(scenario())
