"""Waiting is one step, whatever its client read; repeated reading is not waiting."""

import pytest

from tests.correlation.building import answer, body, play, request, script
from verifier.correlation import Waiting
from verifier.correlation.conditions import FieldReaches, StatusIs
from verifier.http.message import Request, Response


def read(*answers: Response, target: str = "/jobs/7") -> list[tuple[Request, Response]]:
    return [(request("GET", target), reply) for reply in answers]


def test_waitings_become_one_step() -> None:
    states = ["pending", "running", "succeeded"]
    answers = [
        answer(200, {"id": 7, "status": state, "progress": at * 50, "done": at == 2}) for at, state in enumerate(states)
    ]
    made = script(
        (request("POST", "/jobs"), answer(202, {"id": 7})),
        *read(*answers),
        (request("GET", "/results/1"), answer()),
    )
    assert [step.name for step in made.steps] == ["POST /jobs", "GET /jobs/{}", "GET /results/{}"]
    waiting = made.steps[1].waiting
    until = (FieldReaches(("status",), "text", "succeeded"), FieldReaches(("done",), "text", "true"))
    assert waiting == Waiting(1.0, 3, until, 200, lasted=3.0, write=0)
    assert made.steps[1].exchange.response == answers[-1]
    assert not waiting.done(answers[0]) and not waiting.done(answers[1]) and waiting.done(answers[2])
    assert waiting.done(answer(200, {"done": True, "status": "succeeded", "more": 1}))
    assert not waiting.done(answer(500, {"status": "succeeded", "done": True}))
    assert not waiting.done(answer(200, b"<html>"))
    sent, _ = play(made, answer(202, {"id": 9}))
    assert [item.target for item in sent] == ["/jobs", "/jobs/9", "/results/1"]


def test_waiting_for_something_to_appear() -> None:
    made = script(*read(answer(404), answer(404), answer(200, {"name": "x"})))
    (step,) = made.steps
    assert step.waiting == Waiting(1.0, 3, (StatusIs(200),), 200, lasted=2.01, passing=(404,))
    assert step.waiting.done(answer(200)) and not step.waiting.done(answer(404))


@pytest.mark.parametrize(
    "answers",
    [
        [answer(200, {"status": "open"})] * 3,
        [answer(200, {"seen": 1}), answer(200, {"seen": 2})],
        [answer(200, {"at": "2026-01-02T03:04:05Z"}), answer(200, {"at": "2026-01-02T03:04:06Z"})],
        [answer(200, ["open"]), answer(200, ["closed"])],
    ],
)
def test_reading_twice_is_not_waitinging(answers: list[Response]) -> None:
    made = script(*read(*answers))
    assert [step.waiting for step in made.steps] == [None] * len(answers)


def test_only_reads_in_a_row_are_waitinging() -> None:
    first, last = answer(200, {"status": "pending"}), answer(200, {"status": "succeeded"})
    made = script(*read(first), (request("POST", "/jobs/7/start"), answer()), *read(last))
    assert [step.waiting for step in made.steps] == [None] * 3
    made = script(*read(first), *read(last, target="/jobs/8"))
    assert [step.waiting for step in made.steps] == [None] * 2
    made = script((request("POST", "/jobs/7"), first), (request("POST", "/jobs/7"), last))
    assert len(made.steps) == 2


def test_values_come_from_the_last_waiting() -> None:
    made = script(
        *read(
            answer(200, {"status": "pending", "invoice": None}),
            answer(200, {"status": "succeeded", "invoice": {"id": 41}}),
        ),
        (request("POST", "/x", {"invoice_id": 41}), answer()),
    )
    player_sent, player = play(made, answer(200, {"status": "succeeded", "invoice": {"id": 52}}))
    assert body(player_sent[1]) == {"invoice_id": 52}
    assert player.notes == []
