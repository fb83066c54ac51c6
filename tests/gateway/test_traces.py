"""Trace ids name the attempt that they belong to; nothing else is taken for one."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from verifier.gateway.traces import (
    REPLAY_DIGITS,
    attempt_traceparent,
    exchange_and_attempt,
    operation_trace,
    replay_trace,
    traceparent_end,
    traceparent_start,
)

INDEXES, NUMBERS = st.integers(0, 2**24 - 2), st.integers(2, 2**24 - 1)


@given(INDEXES, NUMBERS, st.text(max_size=5), st.text(max_size=5))
def test_an_attempt_is_found_again_in_its_trace(index: int, number: int, step: str, replay: str) -> None:
    shared = replay_trace(step, replay)
    first = traceparent_start(index) + traceparent_end(shared)
    for value, expected in ((first, 1), (attempt_traceparent(first, number), number)):
        version, trace, parent, flags = value.split("-")
        assert (version, len(trace), len(parent), flags) == ("00", 32, 16, "01")
        assert trace == trace.lower()
        assert int(trace, 16) > 0
        assert int(parent, 16) > 0
        assert trace[-REPLAY_DIGITS:] == shared
        assert exchange_and_attempt(trace) == (index, expected)


@given(
    st.text(alphabet="0123456789abcdefABCDEF_+- x", max_size=40)
    | st.text(alphabet="0123456789abcdef", min_size=32, max_size=32)
)
@example("000001000002" + "0" * 20)
def test_what_is_read_from_any_text_is_what_it_says(text: str) -> None:
    found = exchange_and_attempt(text)
    if found is not None:
        index, number = found
        assert text[:12] == f"{index + 1:06x}{number:06x}"
        assert len(text) == 32


def test_replays_and_requests_are_told_apart() -> None:
    names = [(step, replay) for step in ("rollout.1", "rollout.11") for replay in ("r1", "r11", "live-1")]
    assert len({replay_trace(*name) for name in names}) == len(names)
    assert len({operation_trace("/".join(name)) for name in names}) == len(names)
    assert all(len(operation_trace("/".join(name))) == 32 for name in names)
