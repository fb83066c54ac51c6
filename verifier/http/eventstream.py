"""Server-sent events (WHATWG HTML, section 9.2): the media type, and the fields of events as they arrive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from verifier.http.message import Headers, header

MEDIA_TYPE = "text/event-stream"
Event = dict[str, bytes]  # by field name; "data" is always there, its lines joined by line feeds
_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


def is_event_stream(headers: Headers) -> bool:
    return (header(headers, "content-type") or "").lower().startswith(MEDIA_TYPE)


class EventReader:
    """Parses a stream piece by piece. An event is complete once the empty line after it has arrived."""

    def __init__(self) -> None:
        self.count = 0
        self._event: Event = {}
        self._rest = b""  # of a line that has not ended
        self._first = True  # until the first line has ended: it may begin with a byte order mark
        self._after_return = False  # a line feed that comes next ends no line

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes. Without data it is no event."""
        if not piece:
            return []
        text = piece.removeprefix(b"\n") if self._after_return else piece
        self._after_return = piece.endswith(b"\r")
        *lines, self._rest = _END.split(self._rest + text)
        if lines and self._first:
            lines[0] = lines[0].removeprefix(_BOM)
            self._first = False
        found = [event for line in lines if (event := self._line(line)) is not None]
        self.count += len(found)
        return found

    def _line(self, line: bytes) -> Event | None:
        if not line:
            event, self._event = self._event, {}
            return event if "data" in event else None
        name, _, value = line.partition(b":")
        field, value = name.decode("utf-8", "replace"), value.removeprefix(b" ")
        before = self._event.get(field) if field == "data" else None
        if field:
            self._event[field] = value if before is None else before + b"\n" + value
        return None


def events(body: bytes) -> list[Event]:
    """The complete events of a body."""
    return EventReader().feed(body)


def with_data(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The body with the data of each event changed, the last incomplete one included. Other lines stay unchanged."""
    mark = _BOM if body.startswith(_BOM) else b""
    return mark + b"".join(b"".join(_changed(event, change)) for event in _grouped(body.removeprefix(_BOM)))


def _grouped(body: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
    """The lines of each event with how they end, the empty one after it included."""
    lines: list[tuple[bytes, bytes]] = []
    position = 0
    for end in _END.finditer(body):
        lines.append((body[position : end.start()], end[0]))
        if end.start() == position:
            yield lines
            lines = []
        position = end.end()
    yield [*lines, (body[position:], b"")]


def _changed(lines: list[tuple[bytes, bytes]], change: Callable[[bytes], bytes]) -> Iterator[bytes]:
    values = [value for line, _ in lines if (value := _data(line)) is not None]
    old = b"\n".join(values)
    new = change(old) if values else old
    if new == old:
        yield from (line + end for line, end in lines)
        return
    changed = new.split(b"\n")
    mixed = not {end for _, end in lines} <= {b"\r", b""}
    for line, end_of_line in lines:
        # Where a line is left out, a return before it and a line feed after it would become one end.
        end = b"\r\n" if mixed and end_of_line == b"\r" else end_of_line
        if _data(line) is None:
            yield line + end
        elif changed:  # all data lines in place of the first, which keeps the order of the fields
            yield (end or b"\n").join(b"data: " + part for part in changed) + end
            changed = []


def _data(line: bytes) -> bytes | None:
    """The value of a data field, None for any other line."""
    name, _, value = line.partition(b":")
    return value.removeprefix(b" ") if name == b"data" else None
