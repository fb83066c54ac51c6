"""What a real service's traffic brought to light, each in its smallest form."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.correlation.building import answer, play, request, script
from verifier.http.message import Headers


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


def test_words_of_a_path_that_the_client_knew_are_not_taken_from_an_answer() -> None:
    batch = {"requests": [{"method": "PUT", "path": "/buckets/books"}]}
    made = script(
        (request("POST", "/v1/batch", batch), answer(200, {"responses": [{"path": "/v1/buckets/books"}]})),
        (request("GET", "/v1/buckets/books/records"), answer(200, {"data": []})),
    )
    sent, player = play(made, answer(200, {"responses": [{"path": "/elsewhere/else"}]}))
    assert sent[1].target == "/v1/buckets/books/records"
    assert [step.name for step in made.steps] == ["POST /v1/batch", "GET /v1/buckets/books/records"]
    assert player.notes == []


def test_words_of_an_address_that_the_client_made_up_are_not_taken_from_an_answer() -> None:
    person = {"customer": "anna.c2fdcdba9b@example.org"}
    made = script(
        (request("POST", "/orders", person), answer(202, {"id": "2f5a4e97-543b-4f31-b76a-764644087c73"})),
        (request("GET", "/orders/2f5a4e97-543b-4f31-b76a-764644087c73"), answer(200, person)),
        (request("GET", "/orders?customer=anna.c2fdcdba9b%40example.org"), answer(200, {"orders": [person]})),
    )
    sent, player = play(made, answer(202, {"id": "07886438-2506-4b3b-835f-d2902ad171a1"}), answer(200, {}))
    assert player.notes == []
    assert sent[2].target == f"/orders?customer={json.loads(sent[0].body)['customer'].replace('@', '%40')}"


def test_a_word_that_an_answer_made_is_followed() -> None:
    made = script(
        (request("POST", "/articles", {"title": "Winter bees"}), answer(201, {"slug": "winter-bees"})),
        (request("GET", "/articles/winter-bees"), answer(200, {})),
    )
    sent, _ = play(made, answer(201, {"slug": "winter-bees-two"}))
    assert sent[1].target == "/articles/winter-bees-two"


KEPT = {"title": "Winter bees"}


@pytest.mark.parametrize(
    ("first", "second", "needs"),
    [
        (("PUT", "/boxes/green", None), ("POST", "/boxes/green/books", KEPT), True),  # inside of it
        (("PUT", "/boxes/green", None), ("POST", "/tags", {"box": "green"}), True),  # names it
        (("PUT", "/boxes/green", None), ("PUT", "/boxes/blue", None), False),
        (("POST", "/boxes", {"id": "a"}), ("POST", "/boxeslist", {"id": "b"}), False),
        (("POST", "/orders", {"reference": f"{1:08d}-502c-4c64-94f1-ebbd5f852ca9"}),
         ("POST", "/orders", {"reference": f"{2:08d}-502c-4c64-94f1-ebbd5f852ca9"}), False),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_before_what_it_is_about(first: Any, second: Any, needs: bool) -> None:
    own = (("X-Session", "6836de50-502c-4c64-94f1-ebbd5f852ca9"),)
    made = script(
        (request(*first, headers=own), answer(201, {})),
        (request(*second, headers=own), answer(201, {})),
    )
    assert made.depends(1, 0) is needs
