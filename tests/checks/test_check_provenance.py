"""A refusal names the version that gave what the request carries, and no other."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from tests.checks.history_builder import HistoryBuilder, Scenario, in_every_phase
from verifier.checks.verdict import Judgement


def shown(cookie: str, broken: int = 401, **given: Any) -> Judgement:
    """A login through one version and a request through another, which carries `cookie`."""

    def play(scenario: Scenario) -> None:
        builder = scenario.builder
        builder.send("POST /login", scenario.first, 303, headers={"Set-Cookie": "session=abc123; Path=/"}, **given)
        builder.send("GET /me", scenario.second, broken if scenario.broken else 200, index=1)
        asked = builder.operations[-1]
        request = structs.replace(asked.request, headers=(("Cookie", cookie),))
        builder.operations[-1] = structs.replace(asked, request=request)

    return in_every_phase(play, "forward", builder=HistoryBuilder())


def test_a_refused_session_is_told_with_who_gave_it() -> None:
    (violation,) = shown("theme=dark; session=abc123").violations
    assert violation.message == (
        "GET /me → 2.0: 401; the old version answers 2xx; the request carries what 1.4 gave in answer to POST /login"
    )
    assert (violation.attribution, violation.versions) == ("mixed", ("1.4", "2.0"))
    assert len(violation.evidence) == 2


@pytest.mark.parametrize("cookie", ["theme=dark", "session=abc1234", "session=xabc123"])
def test_what_another_version_did_not_give_explains_nothing(cookie: str) -> None:
    (violation,) = shown(cookie).violations
    assert violation.message.endswith("the old version answers 2xx")
    assert len(violation.evidence) == 1


def test_a_value_that_a_later_request_uses_is_told_too() -> None:
    (violation,) = shown("cursor=page-7", 400, produced=(("$response.body#/next", "page-7"),)).violations
    assert violation.message.endswith("the request carries what 1.4 gave in answer to POST /login")


def test_what_held_is_told_nothing_of() -> None:
    assert shown("session=abc123", 200).violations == ()
