"""Server-sent events taken apart: however they are cut into pieces, whatever ends their lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.http.eventstream import EventReader, events, is_event_stream, with_data

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
TEXT = st.binary(max_size=8).map(lambda text: text.replace(b"\r", b".").replace(b"\n", b".").replace(b":", b"."))


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
        (b"data:1\r\n\r\ndata: 2\r\n\r\n", [b"1", b"2"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"\xef\xbb\xbfdata: 1\n\n", [b"1"]),
        (b": keep-alive\n\nevent: ping\n\nid: 3\n\n", []),
        (b"data\n\n", [b""]),
        (b"data: 1\n\ndata: cut off", [b"1"]),
        (b"data: 1\n\ndata: cut off\n", [b"1"]),
        (b"dataset: 1\n\n", []),
        (b"data:  two spaces\n\n", [b" two spaces"]),
        (b"", []),
    ],
)
def test_events(body: bytes, data: list[bytes]) -> None:
    assert [event["data"] for event in events(body)] == data


@given(st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=4), ENDS, st.data())
def test_pieces_do_not_matter(values: list[list[bytes]], end: bytes, data: st.DataObject) -> None:
    body = b"".join(b"".join(b"data: " + line + end for line in event) + end for event in values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    reader = EventReader()
    found = [one for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)
             for one in reader.feed(body[start:stop])]  # fmt: skip
    assert found == [{"data": b"\n".join(event)} for event in values]
    assert reader.count == len(values)


@given(st.lists(st.sampled_from([b"data: one", b"data:two", b"event: x", b": note", b"id", b""]), max_size=12), ENDS)
def test_changing_nothing_changes_nothing(lines: list[bytes], end: bytes) -> None:
    body = end.join(lines)
    assert with_data(body, lambda data: data) == body
    longer = with_data(body + end + end, lambda data: data + b"!")
    assert events(longer) == [{**event, "data": event["data"] + b"!"} for event in events(body + end + end)]
    assert [line for line in longer.split(end) if line and not line.startswith(b"data")] == [
        line for line in lines if line and not line.startswith(b"data")
    ]


def test_data_of_several_lines_and_of_a_cut_event_are_changed_too() -> None:
    body = b"id: 1\r\ndata: {\r\ndata: }\r\nevent: x\r\n\r\ndata: {}"
    assert with_data(body, lambda _: b"[\n]") == (b"id: 1\r\ndata: [\r\ndata: ]\r\nevent: x\r\n\r\ndata: [\ndata: ]")


def test_fields_of_an_event() -> None:
    body = b": note\nevent: moved\nid: 4\nid: 5\ndata: a\ndata: b\n\ndata: c\n\n"
    assert events(body) == [{"event": b"moved", "id": b"5", "data": b"a\nb"}, {"data": b"c"}]


def test_the_media_type() -> None:
    assert is_event_stream((("content-type", "Text/Event-Stream; charset=utf-8"),))
    assert not is_event_stream((("Content-Type", "text/plain"),))
    assert not is_event_stream(())
