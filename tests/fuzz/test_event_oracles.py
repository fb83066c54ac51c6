"""The oracles of event streams against chance, and what fuzzing found by them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.event_oracles import BOM, STREAMS, only_data_change, pieces_do_not_matter, read_at_once
from verifier.http.eventstream import EventReader, events, with_data

LINES = st.sampled_from([b"data: y", b"data:", b"data", b"id: 1", b":", b"", b"", b" data: x", BOM + b"data", b"\xff"])
BODIES = st.lists(st.tuples(LINES, st.sampled_from([b"\r", b"\n", b"\r\n", b"\n\n", b""])), max_size=12)
SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=40)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([b"", BOM]), BODIES, SIZES)
def test_whatever_comes_in_whatever_pieces(mark: bytes, lines: list[tuple[bytes, bytes]], sizes: list[int]) -> None:
    body, pieces, start = mark + b"".join(line + end for line, end in lines), [], 0
    for size in sizes:
        pieces.append(body[start : start + size])
        start += size
    pieces_do_not_matter([*pieces, body[start:]])
    only_data_change(body)


@pytest.mark.parametrize("body", STREAMS)
def test_the_samples(body: bytes) -> None:
    assert read_at_once(body)
    pieces_do_not_matter([body[at : at + 1] for at in range(len(body))])
    only_data_change(body)


@pytest.mark.parametrize("cut", [1, 2])
def test_a_byte_order_mark_may_be_cut(cut: int) -> None:
    body = BOM + b"data: 1\n\n"
    reader = EventReader()
    assert [*reader.feed(body[:cut]), *reader.feed(body[cut:])] == [{"data": b"1"}]


def test_a_byte_order_mark_elsewhere_is_part_of_a_name() -> None:
    body = b"data: {\n" + BOM + b"data: 2\ndata: }\n\n"
    assert [event["data"] for event in events(body)] == [b"{\n}"]
    assert with_data(body, lambda data: data.replace(b"\n", b"")) == b"data: {}\n" + BOM + b"data: 2\n\n"
    assert with_data(BOM + b"data: 1\n\n", lambda _: b"2") == BOM + b"data: 2\n\n"


def test_an_event_with_less_data_still_ends() -> None:
    body = b"data: {\rdata: }\n\ndata: 2\n\n"
    changed = with_data(body, lambda data: data.replace(b"\n", b""))
    assert [event["data"] for event in events(changed)] == [b"{}", b"2"]
