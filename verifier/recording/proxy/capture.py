"""What the proxy keeps of one exchange while it is forwarded."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.http.eventstream import is_event_stream
from verifier.http.h1 import MessageHead
from verifier.http.message import Request, Response
from verifier.recording.model import Exchange
from verifier.recording.proxy.entries import ObservedExchange


@dataclass(slots=True)
class CapturedBody:
    """A body while it is forwarded: kept if it has at most `limit` bytes, else only counted."""

    limit: int
    data: bytearray = field(default_factory=bytearray)
    size: int = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= self.limit:
            self.data += piece
        else:
            self.data.clear()

    @property
    def whole(self) -> bool:
        return self.size <= self.limit


@dataclass(slots=True)
class Capture:
    """One exchange under way. `at` is in seconds since the recording began."""

    host: str
    client: str
    connection: str
    at: float
    request: MessageHead
    sent: CapturedBody
    received: CapturedBody
    response: MessageHead | None = None
    websocket: bool = False

    def observed(self, now: float, broken: str = "") -> ObservedExchange:
        """The entry. `broken` says what cut the exchange short; such an exchange has no response to compare with.

        Status 0 is how browsers write an exchange without a response. A request whose body was not kept cannot be
        replayed, so it is written the same way.
        """
        head = self.response
        stream = head is not None and is_event_stream(head.headers)
        kind = "websocket" if self.websocket else "eventsource" if stream else ""
        note, size = broken, -1
        if not self.sent.whole:
            note = f"not recorded: the request's body of {self.sent.size} bytes is over the limit of {self.sent.limit}"
        elif head is not None and not self.received.whole:
            size = self.received.size
            note = f"the answer's body of {size} bytes is over the limit of {self.received.limit} and was not kept"
        elif stream and broken:
            note = f"an event stream that was still open: {broken}"
        complete = head is not None and self.sent.whole and (not broken or kind != "")
        request = Request(self.request.method, self.request.target, self.request.headers, bytes(self.sent.data))
        response = Response(0)
        if complete and head is not None:
            response = Response(head.status, head.headers, bytes(self.received.data))
        exchange = Exchange(request, response, self.host, self.at, now - self.at)
        return ObservedExchange(exchange, self.client, self.connection, note, size if complete else -1, kind)
