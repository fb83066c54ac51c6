"""Compressed answers: the replay learns from them, and the history holds what they say."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, replay, replay_harness, run_bounded, step
from verifier.http.coding import decode_response, limit_accept_encoding
from verifier.http.framing import MAX_BODY
from verifier.http.message import Headers, Response

CREATE = (request("POST", "/things", {"v": 1}), answer(201, {"id": "t-100", "v": 1}))
LOOK = (request("GET", "/things/t-100"), answer(200, {"id": "t-100", "v": 1}))
DEFLATED = zlib.compressobj(wbits=-zlib.MAX_WBITS)
BARE = DEFLATED.compress(b'{"a": 1}') + DEFLATED.flush()


def coded(response: Response, coding: str, body: bytes) -> Response:
    return Response(response.status, (*response.headers, ("Content-Encoding", coding)), body)


def test_ids_are_learned_from_compressed_answers_and_the_history_can_be_read() -> None:
    async def compressing(arrival: Arrival) -> Response:
        plain = answer(201 if arrival.request.method == "POST" else 200, {"id": "t-7", "v": 1})
        return coded(plain, "gzip", gzip.compress(plain.body))

    async def scenario() -> None:
        async with replay_harness(compressing, "1") as harness:
            await harness.replayer(CREATE, LOOK).run(step(replay("1", "1")), lambda: None)
            assert [entry.request.target for entry in harness.arrived] == ["/things", "/things/t-7"]
            bodies = [entry.response.body for entry in harness.operations if entry.response]
            assert bodies == [answer(200, {"id": "t-7", "v": 1}).body] * 2
            assert harness.notes == []

    run_bounded(scenario())


def test_a_body_that_decodes_to_too_much_is_an_outcome_with_a_name() -> None:
    bomb = gzip.compress(bytes(MAX_BODY + 1))

    async def exploding(arrival: Arrival) -> Response:
        return coded(answer(201 if arrival.request.method == "POST" else 200, {}), "gzip", bomb)

    async def scenario() -> None:
        async with replay_harness(exploding, "1") as harness:
            await harness.replayer(CREATE).run(step(replay("1")), lambda: None)
            first = harness.operations[0]
            assert (first.response, first.error, first.outcome) == (None, "body-too-large", "info")

    run_bounded(scenario())


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b'{"a": 1}')),
        ("x-gzip", gzip.compress(b'{"a": 1}')),
        ("deflate", zlib.compress(b'{"a": 1}')),
        ("deflate", BARE),
        ("gzip, identity", gzip.compress(b'{"a": 1}')),
    ],
)
def test_codings_are_undone_and_no_longer_named(coding: str, body: bytes) -> None:
    headers = (("Content-Type", "application/json"), ("content-encoding", coding), ("Content-Length", str(len(body))))
    assert decode_response(Response(200, headers, body)) == Response(200, headers[:1], b'{"a": 1}')


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", b"\x1f\x8bno"), ("br", b"\x0b\x02"), ("gzip", b""), ("", b"\x1f")]
)
def test_what_cannot_be_undone_stays_as_it_is(coding: str, body: bytes) -> None:
    response = Response(200, (("Content-Encoding", coding),), body)
    assert decode_response(response) is response


@given(st.binary(max_size=60))
def test_a_body_without_a_coding_is_left_alone(body: bytes) -> None:
    response = Response(200, (("Content-Type", "text/plain"),), body)
    assert decode_response(response) is response


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("gzip;q=1.0, br;q=0.5, *;q=0", "gzip;q=1.0"),
        ("br", "identity"),
        ("gzip", "gzip"),
        ("identity", "identity"),
    ],
)
def test_only_codings_that_can_be_undone_are_accepted(accepted: str, sent: str) -> None:
    headers: Headers = (("Accept", "*/*"), ("accept-encoding", accepted))
    assert [value for name, value in limit_accept_encoding(headers) if name.lower() == "accept-encoding"] == [sent]
    assert limit_accept_encoding(headers[:1]) == headers[:1]
