"""A specialised serializer writes what the general functions write, or is not made."""

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

from tests.correlation.building import BEGAN, playing
from tests.correlation.test_compiled import replays
from verifier.contracts.registry import ContractRegistry
from verifier.correlation import Script
from verifier.correlation.text.parts import needs_encoding
from verifier.history import line
from verifier.history.model import Operation
from verifier.http.encode import encode_request
from verifier.http.message import Response
from verifier.matrix.model import Retry
from verifier.plan.model import Replay
from verifier.replay.prepared import PreparedExchange, prepared_exchanges
from verifier.replay.replay_script import ReplayScript
from verifier.replay.specialise import Make, specialise

UNRESERVED = st.text("abzAZ059-._~", min_size=1, max_size=12)


def rendered(template: str) -> Make:
    return lambda values, **more: template.format(*values, **more).encode()


@given(
    st.lists(st.sampled_from(["{0}", "{1}", "{more}", "x", "/", " ", '"', "\\", "\u00fc"]), max_size=12),
    st.lists(UNRESERVED, min_size=2, max_size=2),
    UNRESERVED,
)
@settings(max_examples=300, deadline=None)
def test_a_specialised_function_gives_what_the_original_gives(pieces: list[str], values: list[str], more: str) -> None:
    make = rendered("".join(pieces))
    made = specialise(make, (0, 1), ("more",))
    assert made is not None
    assert made(values, more=more) == make(values, more=more)


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
def test_what_writes_a_value_otherwise_is_not_specialised(write: Callable[[str], str], safe: bool) -> None:
    def make(values: list[str]) -> bytes:
        return f"<{write(values[0])}>".encode()

    made = specialise(make, (0,))
    assert (made is not None) == safe
    if made is not None:
        assert made(["a.b-c_d~9"]) == b"<a.b-c_d~9>"


def test_a_body_with_values_says_how_long_it_is() -> None:
    def make(values: list[str]) -> bytes:
        body = f'{{"id":"{values[0]}"}}'.encode()
        return b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    made = specialise(make, (0,))
    assert made is not None
    for value in ("a", "b" * 200):
        assert made([value]) == make([value])


def test_what_cannot_be_made_is_not_specialised() -> None:
    def make(values: list[str]) -> bytes:
        raise ValueError

    assert specialise(make, (0,)) is None


def sides(made: Script) -> tuple[PreparedExchange, ...]:
    context: Any = SimpleNamespace(registry=ContractRegistry(), retry=Retry())
    return prepared_exchanges(context, ReplayScript(made, ("shop",) * len(made.steps)))


def asks(prepared: PreparedExchange, values: list[str]) -> None:
    """The request's bytes, as they are written of the request itself."""
    assert prepared.serializer is not None
    assert prepared.serializer.text(values, "-trace", "host:1") == encode_request(
        prepared.request(values, "-trace"), b"host:1"
    )
    if prepared.readable:
        assert prepared.target(values) == prepared.build(values, ()).target


def answers(
    prepared: PreparedExchange, values: list[str], response: Response, produced: tuple[tuple[str, str], ...]
) -> None:
    """The operation's line reads back as the operation."""
    assert prepared.serializer is not None
    serializer, where, placed = prepared.serializer, *line.place('st"ep', "r\u00fc1", "s1")
    served = line.served(prepared.name, prepared.service, "1", "shop-1")
    content = serializer.content if serializer.body is None else line.base64(serializer.body(values))
    body, started, ended = line.base64(response.body), line.text(1.5), line.text(2.000001)
    written = serializer.line(
        values, trace="-trace", where=where, place=placed, served=served, content=content,
        headers=line.text(response.headers), body=body, started=started, ended=ended,
        produced=line.produced_text(produced),
    )  # fmt: skip
    plan = Replay("r\u00fc1", "s1", ("1",))
    assert msgspec.json.decode(written.encode("latin-1"), type=Operation) == Operation(
        f'st"ep/{plan.id}/{prepared.index + 1}.1', 'st"ep', plan.id, "s1", prepared.index, 1, "replay", prepared.name,
        prepared.service, "1", "shop-1", prepared.request(values, "-trace"), response, prepared.outcome, 1.5,
        2.000001, produced=produced,
    )  # fmt: skip


@pytest.mark.slow
@given(replays())
@settings(max_examples=200, deadline=None)
def test_a_serialized_exchange_is_the_exchange(replay: tuple[Script, list[tuple[int, Response | None]]]) -> None:
    script, happened = replay
    player, every = playing(script, "key", BEGAN), sides(script)
    for index, answered in happened:
        prepared, sent = every[index], list(player.values)
        usable = prepared.serializer is not None and not (player.needs_encoding | player.unresolved) & prepared.uses
        player.request(index)
        if usable:
            asks(prepared, sent)
        if answered is None:
            continue
        produced = player.learn(index, answered)
        if usable and answered.status == prepared.status:
            answers(prepared, sent, answered, tuple((one, text) for one, text in produced if text.isprintable()))
        learned = ~player.unresolved
        assert player.needs_encoding & learned == needs_encoding(player.values) & learned, (
            "known of every value that is used"
        )


@pytest.mark.slow
def test_the_property_sees_serialized_exchanges_and_others() -> None:
    seen = {"serialized": 0, "other": 0, "body": 0, "single": 0}

    @given(replays())
    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    def look(replay: tuple[Script, list[tuple[int, Response | None]]]) -> None:
        for prepared in sides(replay[0]):
            seen["serialized"] += prepared.serializer is not None and prepared.uses > 0
            seen["other"] += prepared.serializer is None
            seen["body"] += prepared.serializer is not None and prepared.serializer.body is not None
            seen["single"] += prepared.serializer is not None and bool(prepared.serializer.produced)

    look()
    assert all(seen.values()), seen
