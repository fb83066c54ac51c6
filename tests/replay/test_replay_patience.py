"""A client that is asked to come back does so, in any replay: the answer it goes on with is the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.correlation.building import answer, request, session
from verifier.contracts.registry import ContractRegistry
from verifier.correlation import learn
from verifier.gateway.rotation import Rotation
from verifier.history.model import Operation
from verifier.http.message import Request, Response
from verifier.matrix.model import Retry
from verifier.plan.model import Replay
from verifier.replay.context import Attempt
from verifier.replay.misfits import Misfits
from verifier.replay.replay_script import ReplayScript
from verifier.replay.session import SessionReplayer

LATER = answer(409, {"error": "please retry"}, (("Retry-After", "0"),))
CONFLICT = answer(409, {"error": "it is there"})


class Scripted:
    """A replay context with given responses; `records` is what would be the history."""

    seed = 0
    retry = Retry()
    registry = ContractRegistry()
    gateway = SimpleNamespace(alone=None)
    rotation = Rotation()  # empty: nothing can be sent past `attempt`
    credentials = lines = disturbance = computed = None
    timeout = 1.0

    def __init__(self, answers: Sequence[Response]) -> None:
        self.answers = list(answers)
        self.records: list[Any] = []
        self.misfits = Misfits()

    def wall(self) -> float:
        return 0.0

    def clock(self) -> float:
        return 0.0

    def record(self, entry: Any) -> None:
        self.records.append(entry)

    def expect_replay(self, *_: object) -> str:
        return ""

    async def send(self, what: Attempt, sent: Request) -> Operation:
        return Operation(
            id=what.id, step=what.step, replay=what.replay, session=what.session, index=what.index,
            attempt=what.number, source=what.source, name=what.fallback, service=what.service, version=what.version,
            replica="r", request=sent, response=self.answers.pop(0), outcome="ok", started=0.0, ended=0.0,
            parent=what.parent,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("recorded", "answers", "attempts"),
    [
        (answer(201), [answer(201)], [201]),
        (answer(201), [LATER, LATER, answer(201)], [409, 409, 201]),
        (answer(201), [CONFLICT], [409]),  # nobody asked to come back
        (LATER, [LATER], [409]),  # what the recorded client did about it is the next exchange
        (answer(201), [LATER] * 9, [409] * 6),  # not for ever
    ],
)
def test_an_undisturbed_exchange(recorded: Response, answers: list[Response], attempts: list[int]) -> None:
    script = learn(session((request("PUT", "/things/a", {"v": 1}), recorded)), began=0.0)
    context = Scripted(answers)
    replayer = SessionReplayer(cast(Any, context), "rollout", {"s1": ReplayScript(script, ("things",))})
    asyncio.run(replayer.replay("rollout.1", [Replay("r1", "s1", ("1",))], lambda: None))
    sent = [entry for entry in context.records if isinstance(entry, Operation)]
    assert [entry.response.status for entry in sent if entry.response] == attempts
    assert [entry.attempt for entry in sent] == list(range(1, len(attempts) + 1))
    assert [entry.parent for entry in sent] == ["", *["rollout.1/r1/1.1"] * (len(attempts) - 1)]
    assert len({entry.request for entry in sent}) == 1
