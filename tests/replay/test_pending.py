"""Work that waits for its own client: the session goes on, and what is open is asked for again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, replay, replay_harness, run_bounded, step
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.http.message import Response
from verifier.plan.model import Fault
from verifier.replay import pending

CONTRACT = """\
openapi: 3.0.3
info: {title: payments, version: "1"}
paths:
  /payments:
    post: {operationId: pay, responses: {"202": {description: accepted}}}
  /payments/{id}:
    get: {operationId: look, responses: {"200": {description: how far it is}}}
  /callbacks:
    post: {operationId: callBack, responses: {"204": {description: known}}}
"""
GUARANTEES = """\
service: orders
operations:
  pay: {completes: {poll: $response.header.Location, state: $response.body#/status, final: [paid], within: 30s}}
"""
HANDLE = "hd-7f3a9c51e2b84d06"
LOOK = (request("GET", "/payments/7"), answer(200, {"status": "paid"}))
PAY = (request("POST", "/payments", {"n": 1}), answer(202, {"handle": HANDLE}, (("Location", "/payments/7"),)))
CALL_BACK = (request("POST", "/callbacks", {"handle": HANDLE}), Response(204))


def promised(folder: Path) -> ContractRegistry:
    (folder / "c.yaml").write_text(CONTRACT)
    (folder / "guarantees.yaml").write_text(GUARANTEES)
    return ContractRegistry(tuple(version_contract("orders", version, folder / "c.yaml") for version in ("1", "2")))


class Payments:
    """Each payment is paid once its handle is called back, or after so many looks where it needs no callback."""

    def __init__(self, alone: int = 0, refuses: bool = False) -> None:
        self.alone, self.refuses = alone, refuses
        self.count = self.polls = 0
        self.called: set[str] = set()

    async def __call__(self, arrival: Arrival) -> Response:
        sent = arrival.request
        if sent.path == "/payments":
            self.count += 1
            handle = f"hd-{self.count:016x}"
            return answer(202, {"handle": handle}, (("Location", f"/payments/{self.count}"),))
        if sent.method == "GET":
            self.polls += 1
            number = int(sent.path.rpartition("/")[2])
            paid = f"hd-{number:016x}" in self.called or 0 < self.alone <= self.polls
            return answer(200, {"status": "paid" if paid else "waiting"})
        if self.refuses:
            return answer(404, {})
        self.called.add(sent.body.decode().split('"')[3])
        return Response(204)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "PATIENCE", 0.05)


def test_work_that_waits_for_a_callback_ends_after_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(Payments(), "1", registry=promised(tmp_path)) as harness:
            await harness.replayer(PAY, CALL_BACK, LOOK).run(step(replay("1", "1", "1")), lambda: None)
            polls = [entry for entry in harness.operations if entry.source == "poll"]
            assert [entry.id for entry in polls] == [f"{polls[0].parent}/poll-{n + 1}" for n in range(len(polls))]
            assert b"waiting" in polls[0].response.body and b"paid" in polls[-1].response.body  # type: ignore[union-attr]
            assert [entry.name for entry in harness.operations if entry.source == "replay"] == [
                "pay",
                "callBack",
                "look",
            ]
            assert harness.notes == []

    run_bounded(scenario())


def test_what_follows_work_that_waits_is_sent_on_connections_in_use_too(tmp_path: Path) -> None:
    """The answer that promised the work stopped the fast path; it is not taken for that of the exchange behind it."""

    async def scenario() -> None:
        async with replay_harness(Payments(), "1", registry=promised(tmp_path)) as harness:
            before = (request("GET", "/payments/0"), answer(200, {"status": "waiting"}))
            replayer = harness.replayer(before, before, PAY, CALL_BACK, LOOK, concurrency=1)
            await replayer.run(step(replay(*["1"] * 5), replay(*["1"] * 5, id="r2")), lambda: None)
            assert harness.lines > 0
            for name in ("r1", "r2"):
                sent = [entry for entry in harness.operations if (entry.source, entry.replay) == ("replay", name)]
                assert [entry.name for entry in sent] == ["look", "look", "pay", "callBack", "look"]
                assert [entry.id for entry in sent] == [f"rollout.1/{name}/{n}.1" for n in range(1, 6)]
            assert harness.notes == []

    run_bounded(scenario())


def test_work_that_nothing_waits_for_is_polled_before_the_session_goes_on(tmp_path: Path) -> None:
    """The recorded client saw it end before it called back: so does the replay, however long it takes."""

    async def scenario() -> None:
        async with replay_harness(Payments(alone=8), "1", registry=promised(tmp_path)) as harness:
            await harness.replayer(PAY, LOOK, CALL_BACK).run(step(replay("1", "1", "1")), lambda: None)
            assert [entry.request.path for entry in harness.arrived].index("/callbacks") == len(harness.arrived) - 1
            assert b"paid" in next(e for e in reversed(harness.operations) if e.source == "poll").response.body  # type: ignore[union-attr]
            assert harness.notes == []

    run_bounded(scenario())


def test_work_whose_callback_is_refused_is_still_asked_for_to_its_bound(tmp_path: Path) -> None:
    async def scenario() -> None:
        registry = promised(tmp_path)
        (tmp_path / "guarantees.yaml").write_text(GUARANTEES.replace("30s", "300ms"))
        registry = ContractRegistry((version_contract("orders", "1", tmp_path / "c.yaml"),))
        async with replay_harness(Payments(refuses=True), "1", registry=registry) as harness:
            await harness.replayer(PAY, CALL_BACK, LOOK).run(step(replay("1", "1", "1")), lambda: None)
            kinds = [entry.source for entry in harness.operations]
            assert kinds[-1] == "poll", "after the session broke off"
            (end,) = harness.ends
            assert (end.how, end.shown, end.operation) == ("open", "waiting", harness.operations[0].id)

    run_bounded(scenario())


def test_a_duplicate_that_nobody_calls_back_is_not_expected_to_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replay_harness(Payments(), "1", "2", registry=promised(tmp_path)) as harness:
            disturbed = replay("1", "1", "1", fault=Fault("duplicate-after", 0, "pay", "1", "2"))
            await harness.replayer(PAY, CALL_BACK, LOOK).run(step(disturbed), lambda: None)
            assert harness.context.registry and len([entry for entry in harness.operations if entry.name == "pay"]) == 2
            assert len({entry.parent for entry in harness.operations if entry.source == "poll"}) == 1
            assert harness.notes == []

    run_bounded(scenario())
