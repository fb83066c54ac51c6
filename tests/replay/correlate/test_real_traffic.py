"""What a real service's traffic brought to light, each in its smallest form."""

from __future__ import annotations

import base64

import pytest

from tests.replay.correlate.building import answer, request, script
from verifier.history.message import Headers


def basic(user: str, password: str) -> Headers:
    return (("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()),)


@pytest.mark.parametrize("length", [8, 24, 60])
def test_a_users_own_credentials_are_no_value_that_an_answer_should_have_carried(length: int) -> None:
    pair = basic("redacted-" + "ed3c5d8172c1"[: length % 13], "redacted-" + ("616263e494b5ef66a18dd586" * 3)[:length])
    made = script((request("GET", "/me", headers=pair), answer(200, {"user": "x"})))
    assert made.steps[0].unmatched == ()


def test_an_issued_token_must_come_from_somewhere() -> None:
    token = (("Authorization", "Bearer redacted-616263e494b5ef66a18dd586"),)
    made = script((request("GET", "/me", headers=token), answer(200, {"user": "x"})))
    assert [report.kind for report in made.steps[0].unmatched] == ["unmatched"]
