"""What is cut at marks gives what the ordinary way gives, or is not made."""

from __future__ import annotations

import base64
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.correlation.building import BEGAN
from tests.correlation.test_compiled import replays
from verifier.contracts.registry import Promises
from verifier.correlation import Script
from verifier.correlation.text.parts import reserved
from verifier.history import line
from verifier.history.model import Operation
from verifier.http.encode import encode_request
from verifier.http.message import Response
from verifier.matrix.model import Retry
from verifier.plan.model import Replay
from verifier.replay.prepared import Leg, legs
from verifier.replay.specialised import Make, pressed
from verifier.replay.track import Track

UNRESERVED = st.text("abzAZ059-._~", min_size=1, max_size=12)


def rendered(template: str) -> Make:
    return lambda values, *more: template.format(*values, more=more).encode()


@given(
    st.lists(st.sampled_from(["{0}", "{1}", "{more[0]}", "x", "/", " ", '"', "\\", "\u00fc"]), max_size=12),
    st.lists(UNRESERVED, min_size=2, max_size=2),
    UNRESERVED,
)
@settings(max_examples=300, deadline=None)
def test_what_is_pressed_is_what_is_made(pieces: list[str], values: list[str], more: str) -> None:
    make = rendered("".join(pieces))
    made = pressed(make, (0, 1), 1)
    assert made is not None
    assert made(values, more) == make(values, more)


@pytest.mark.parametrize(
    ("write", "safe"),
    [
        (lambda value: value, True),
        (quote, True),
        (lambda value: msgspec.json.encode(value).decode()[1:-1], True),
        (lambda value: base64.b64encode(value.encode()).decode(), False),
        (str.upper, False),
        (str.lower, False),
        (lambda value: value.replace(".", "%2E"), False),
        (lambda value: value.replace("-", ""), False),
        (lambda value: value.replace("~", "%7E"), False),
        (lambda value: value.replace("_", "-"), False),
        (lambda value: str(len(value)), False),
        (lambda value: value[:5], False),
        (lambda value: value if value.isdigit() else f'"{value}"', False),  # a number in JSON
    ],
)
def test_what_writes_a_value_otherwise_is_not_pressed(write: Callable[[str], str], safe: bool) -> None:
    def make(values: list[str]) -> bytes:
        return f"<{write(values[0])}>".encode()

    made = pressed(make, (0,), 0)
    assert (made is not None) == safe
    if made is not None:
        assert made(["a.b-c_d~9"]) == b"<a.b-c_d~9>"


def test_a_body_with_values_says_how_long_it_is() -> None:
    def make(values: list[str]) -> bytes:
        body = f'{{"id":"{values[0]}"}}'.encode()
        return b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    made = pressed(make, (0,), 0)
    assert made is not None
    for value in ("a", "b" * 200):
        assert made([value]) == make([value])


def test_what_cannot_be_made_is_not_pressed() -> None:
    def make(values: list[str]) -> bytes:
        raise ValueError

    assert pressed(make, (0,), 0) is None


def sides(made: Script) -> tuple[Leg, ...]:
    stage: Any = SimpleNamespace(promises=Promises(), retry=Retry())
    return legs(stage, Track(made, ("shop",) * len(made.steps)))


def asks(leg: Leg, values: list[str]) -> None:
    """The request's bytes, as they are written of the request itself."""
    assert leg.press is not None
    assert leg.press.text(values, "-trace", "host:1") == encode_request(leg.asked(values, "-trace"), b"host:1")
    if leg.page is not None:
        assert leg.page.target(values) == leg.build(values, ()).target


def answers(leg: Leg, values: list[str], response: Response, produced: tuple[tuple[str, str], ...]) -> None:
    """The operation's line reads back as the operation."""
    assert leg.press is not None
    press, where, placed = leg.press, *line.place('st"ep', "r\u00fc1", "s1")
    served = line.served(leg.name, leg.service, "1", "shop-1")
    content = press.content if press.body is None else line.base64(press.body(values))
    body, started, ended = line.base64(response.body), line.text(1.5), line.text(2.000001)
    written = press.line(
        values, "-trace", where, placed, served, content, line.text(response.headers), body, started, ended,
        line.produced_text(produced),
    )  # fmt: skip
    plan = Replay("r\u00fc1", "s1", ("1",))
    assert msgspec.json.decode(written.encode("latin-1"), type=Operation) == Operation(
        f'st"ep/{plan.id}/{leg.index + 1}.1', 'st"ep', plan.id, "s1", leg.index, 1, "replay", leg.name, leg.service,
        "1", "shop-1", leg.asked(values, "-trace"), response, leg.outcome, 1.5, 2.000001, produced=produced,
    )  # fmt: skip


@given(replays())
@settings(max_examples=200, deadline=None)
def test_a_pressed_exchange_is_the_exchange(replay: tuple[Script, list[tuple[int, Response | None]]]) -> None:
    script, happened = replay
    player, every = script.player("key", BEGAN), sides(script)
    for index, answered in happened:
        leg, sent = every[index], list(player.values)
        usable = leg.press is not None and not (player.reserved | player.troubled) & leg.uses
        player.request(index)
        if usable:
            asks(leg, sent)
        if answered is None:
            continue
        produced = player.answer(index, answered)
        if usable and answered.status == leg.status:
            answers(leg, sent, answered, tuple((one, text) for one, text in produced if text.isprintable()))
        learned = ~player.troubled
        assert player.reserved & learned == reserved(player.values) & learned, "known of every value that is used"


def test_the_property_sees_pressed_exchanges_and_others() -> None:
    seen = {"pressed": 0, "other": 0, "body": 0, "single": 0}

    @given(replays())
    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    def look(replay: tuple[Script, list[tuple[int, Response | None]]]) -> None:
        for leg in sides(replay[0]):
            seen["pressed"] += leg.press is not None and leg.uses > 0
            seen["other"] += leg.press is None
            seen["body"] += leg.press is not None and leg.press.body is not None
            seen["single"] += leg.press is not None and bool(leg.press.tells)

    look()
    assert all(seen.values()), seen
