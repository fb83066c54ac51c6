"""Answers held against recorded ones: what may vary, and what may not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from tests.checks.history_builder import HistoryBuilder
from tests.correlation.building import answer
from tests.zoo.kinto.fifty import differing
from verifier.http.message import Response

BODY: dict[str, Any] = {"id": "a", "title": "Salt", "made": 1, "tags": ["x", "y"]}
TOTAL = (("Total-Records", "2"),)


def differences(*answers: Response | None) -> list[str]:
    builder = HistoryBuilder()
    builder.step("control-old")
    sent = [builder.send("GET /things/1", "1.4", None) for _ in answers]
    found = [structs.replace(one, response=given) for one, given in zip(sent, answers, strict=True)]
    return [what for _, what in differing(answer(200, BODY, TOTAL), found)]


def test_what_changes_from_replay_to_replay_is_no_difference() -> None:
    answers = [answer(200, {**BODY, "id": str(at), "made": at + 7, "tags": ["x", "y", "z"]}, TOTAL) for at in range(3)]
    assert differences(*answers) == []


@pytest.mark.parametrize(
    "second",
    [
        None,
        answer(404, {"error": "none"}),
        answer(201, {**BODY, "id": "c"}, TOTAL),
        answer(200, {**BODY, "id": "c", "title": "Bees"}, TOTAL),
        answer(200, {**BODY, "id": "c"}, (("Total-Records", "3"),)),
        answer(200, {**BODY, "id": 3}, TOTAL),
        answer(200, {**BODY, "id": "c", "more": 1}, TOTAL),
        answer(200, {key: value for key, value in BODY.items() if key != "made"}, TOTAL),
        answer(200, {**BODY, "id": "c", "tags": ["x"]}, TOTAL),
        answer(200, "no JSON", TOTAL),
    ],
)
def test_what_the_first_replay_repeated_must_stay(second: Response | None) -> None:
    first = answer(200, {**BODY, "id": "b"}, TOTAL)
    assert differences(first, first) == []
    assert differences(first, second)
