"""What must hold for whatever an event stream brings, in whatever pieces: functions that raise AssertionError.

The fuzzer of the HTTP readers (`http_reader.py`) looks for the bytes; `test_event_oracles.py` holds the oracles against
chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from verifier.http.eventstream import Event, EventReader, events, with_data

BOM = b"\xef\xbb\xbf"
STREAMS = [
    b"data: 1\n\nid: 4\r\nevent: x\r\ndata: a\r\ndata:b\r\n\r\ndata\r\rdata: cut",
    BOM + b"data: {\rdata: }\n\n: note\n\n" + BOM + b"data: 2\n\n",
    b"\rdata: a\nid\rdata: b\n\n:data\ndata:  2\r\n\rdata: \xff\n\n",
]
CHANGES: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: data + b"!",
    lambda data: data.replace(b"\n", b""),
    lambda data: data + b"\n\n" + data,
    lambda _: b"",
)


def lines_of(body: bytes) -> list[bytes]:
    """All lines, the last of which has not ended."""
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


def field_of(line: bytes) -> tuple[str, bytes]:
    name, _, value = line.partition(b":")
    return name.decode(errors="replace"), value[1:] if value.startswith(b" ") else value


def read_at_once(body: bytes) -> list[Event]:
    """The events of a body, as WHATWG HTML (section 9.2.6) reads them, by way of its list of lines."""
    found: list[Event] = []
    fields: list[tuple[str, bytes]] = []
    for line in lines_of(body.removeprefix(BOM))[:-1]:
        if line:
            fields.append(field_of(line))
            continue
        event = {name: value for name, value in fields if name}
        data = [value for name, value in fields if name == "data"]
        if data:
            found.append({**event, "data": b"\n".join(data)})
        fields = []
    return found


def pieces_do_not_matter(pieces: Sequence[bytes]) -> None:
    reader = EventReader()
    found = [event for piece in pieces for event in reader.feed(piece)]
    body = b"".join(pieces)
    assert found == events(body) == read_at_once(body)
    assert reader.count == len(found)


def only_data_change(body: bytes) -> None:
    """Data changed in a body are the changed data of its events, and nothing else is."""
    assert with_data(body, lambda data: data) == body
    found, others = read_at_once(body), not_data(body)
    for change in CHANGES:
        changed = with_data(body, change)
        assert read_at_once(changed) == [{**event, "data": change(event["data"])} for event in found]
        assert not_data(changed) == others


def not_data(body: bytes) -> list[bytes]:
    """The lines that hold something, but no data."""
    return [line for line in lines_of(body.removeprefix(BOM)) if line and field_of(line)[0] != "data"]
