"""Event streams against the controls where nothing is declared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.checks.history_builder import HistoryBuilder, Scenario, attributions, in_every_phase
from verifier.checks.eventshapes import EventShapes, with_value
from verifier.checks.verdict import Judgement
from verifier.http.message import Response

STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}
Told = tuple[str, Any]  # the type of an event, "" for the usual one, and its data


def stream(*several: Told) -> bytes:
    lines = []
    for kind, data in several:
        text = data if isinstance(data, str) else json.dumps(data)
        lines.append((f"event: {kind}\n" if kind else "") + f"data: {text}\n\n")
    return "".join(lines).encode()


def answered(usually: tuple[Told, ...], later: tuple[Told, ...]) -> Judgement:
    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            body = stream(*(later if scenario.broken else usually))
            scenario.builder.send("GET /things/1/events", version, (200, body), headers=STREAM)

    return in_every_phase(play, "forward", builder=HistoryBuilder())


@pytest.mark.parametrize(
    ("usually", "later", "message"),
    [
        ((("", {"status": "a"}),), (("", {"state": "a"}),), "/status is missing in 'message' events; every one"),
        ((("", {"n": 1}),), (("", {"n": "1"}),), "/n is string, was number in 'message' events of the old version"),
        ((("s", {"n": 1}),), (("changed", {"n": 1}),), "tells of 'changed' events alone, of 's' events in the answers"),
        ((("s", {"n": 1}),), (("s", "1,a"),), "is string, was object in 's' events of the old version alone"),
        ((("s", {"n": 1}), ("t", {})), (("t", {}), ("s", {"m": 1})), "/n is missing in 's' events"),
    ],
)
def test_events_that_the_old_version_never_tells_are_found(
    usually: tuple[Told, ...], later: tuple[Told, ...], message: str
) -> None:
    judgement = answered(usually, later)
    assert attributions(judgement) == {("compatible", "mixed")}
    assert any(message in entry.message for entry in judgement.violations), [e.message for e in judgement.violations]


@pytest.mark.parametrize(
    ("usually", "later"),
    [
        ((("", {"status": "a"}),), (("", {"status": "b", "at": 1.5}),)),
        ((("s", {"n": 1}), ("t", {"m": 1})), (("s", {"n": 2}),)),
        ((("s", {"n": 1}),), (("s", {"n": 2}), ("more", {"other": 1}))),
        ((("", {"n": 1}), ("", "[DONE]")), (("", {"n": 1}),)),
        ((("", {"n": 1}),), ()),
        ((("", "plain"),), (("", "words"),)),
    ],
)
def test_more_fewer_and_richer_events_pass(usually: tuple[Told, ...], later: tuple[Told, ...]) -> None:
    shapes = EventShapes()
    for several in (usually, usually):
        shapes.learn(Response(200, tuple(STREAM.items()), stream(*several)))
    assert list(shapes.misfits(Response(200, tuple(STREAM.items()), stream(*later)))) == []


def test_an_event_that_was_cut_off_says_nothing() -> None:
    shapes = EventShapes()
    shapes.learn(Response(200, tuple(STREAM.items()), stream(("", {"n": 1}))))
    cut = Response(200, tuple(STREAM.items()), stream(("", {"n": 1})) + b'data: {"m": 1}')
    assert list(shapes.misfits(cut)) == []


def test_a_value_is_put_into_the_data_of_each_event_or_into_the_body() -> None:
    streamed = Response(200, tuple(STREAM.items()), stream(("s", {"n": 1}), ("", "x")))
    assert with_value(streamed, "/n", None) == stream(("s", {"n": None}), ("", "x"))
    assert with_value(Response(200, (), b'{"a": [{"n": 1}]}'), "/a/*/n", 2) == b'{"a": [{"n": 2}]}'
