"""What streams through the gateway: it is forwarded as it arrives, and recorded at its end.

A history keeps whole messages. If the body of one was not kept whole, its headers have one more content coding,
UNFINISHED. No reader can decode it, so the body is not judged, and the rest of the message is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from verifier.gateway.rotation import Endpoint
from verifier.history.model import Note, Operation
from verifier.history.outcome import outcome_of
from verifier.http.eventstream import is_event_stream
from verifier.http.framing import MAX_BODY, UNREADABLE
from verifier.http.message import Headers, Request, Response, header, with_header
from verifier.plan.model import Fault

UNFINISHED = "x-unfinished"
KEPT = MAX_BODY  # bytes of one body kept in the history, as many as of a response that comes whole
KEPT_EVENTS = 1 << 20  # bytes of one event stream


@dataclass(slots=True)
class Call:
    """One call under way: everything of its operation but how it ended.

    `fields` are those of the operation that say who calls, and why.
    """

    fields: dict[str, Any]
    name: str
    callee: str
    endpoint: Endpoint | None
    request: Request
    host: str  # the authority that the callee knows itself by
    started: float
    fault: Fault | None
    missed: Fault | None = None  # the fault that was meant for it and cannot befall it

    def operation(self, response: Response | None, error: str, sent: bool, ended: float, lost: bool) -> Operation:
        """The operation. `lost`: its caller never received the response."""
        endpoint, fault, request = self.endpoint, self.fault, self.request
        return Operation(
            **self.fields,
            source="inner",
            name=self.name,
            service=self.callee,
            version=endpoint.version if endpoint else "",
            replica=endpoint.replica if endpoint else "",
            request=request,
            response=response,
            outcome="info" if lost else outcome_of(request.method, response, error, sent),
            started=self.started,
            ended=ended,
            error=error,
            fault=fault.kind if fault else "",
        )

    def note(self, operation: Operation, message: str) -> Note:
        return Note(operation.step, "stream", f"{self.name} of {self.callee}: {message}", operation.id)


@dataclass(slots=True)
class BodyCapture:
    """Keeps the first `limit` bytes of a body that is being forwarded, and counts the rest."""

    limit: int
    data: bytearray = field(default_factory=bytearray)
    size: int = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if len(self.data) < self.limit:
            self.data += piece[: self.limit - len(self.data)]

    @property
    def whole(self) -> bool:
        return self.size == len(self.data)


OnEnd = Callable[[Call, Operation, Note | None], None]  # called once, when a streamed call has ended


class BodyStream(Protocol):
    """The source of a response's body. `how` is None before the end; then "" or the word for what ended it."""

    how: str | None

    async def read(self) -> bytes: ...
    def stop(self, how: str) -> None: ...


class StreamedResponse:
    """A response that is forwarded while it arrives (see `ResponseStream`)."""

    def __init__(
        self,
        call: Call,
        head: Response,
        length: int | None,
        source: BodyStream,
        release: contextlib.ExitStack,
        clock: Callable[[], float],
        on_end: OnEnd,
    ) -> None:
        self.length = length
        self.head = head
        self.call = call
        self.why = ""  # who stopped it
        self._taken = False  # all that came
        self._source = source
        self._release = release
        self._clock = clock
        self._on_end = on_end
        self._endless = is_event_stream(head.headers)
        self._kept = BodyCapture(KEPT_EVENTS if self._endless else KEPT)

    async def next(self) -> bytes:
        piece = await self._source.read()
        self._kept.add(piece)
        self._taken = not piece and not self.why
        return piece

    def how(self) -> str:
        return "closed" if self._source.how is None else self._source.how

    def stop(self, why: str) -> None:
        self.why = self.why or why
        self._source.stop("closed")

    def finish(self) -> None:
        if self._source.how is None:
            self.stop("listener")
        self._release.close()
        how, kept, call = self.how(), self._kept, self.call
        # An event stream has no end of its own: closing it in any way ends it. But it must be HTTP.
        broken = how if not self.why and (how in UNREADABLE or not self._endless) else ""
        cut = not kept.whole or (bool(how or not self._taken) and not self._endless)
        message = self._describe_end(how) if broken or cut else ""
        response = None
        if not broken:
            headers = unfinished(self.head.headers) if cut else self.head.headers
            response = Response(self.head.status, headers, bytes(kept.data))
        operation = call.operation(response, broken, True, self._clock(), lost=False)
        self._on_end(call, operation, call.note(operation, message) if message else None)

    def _describe_end(self, how: str) -> str:
        kept = self._kept
        ends = {
            "caller": "the caller left",
            "listener": "the gateway was closed",
            "duplicate": "nobody waits for the answer to a duplicate, so it was left",
        }
        end = ends.get(self.why, f"the service broke off ({how})" if how else "it ended")
        return f"answered {self.head.status} in pieces; {end} after {kept.size} bytes, {len(kept.data)} were kept"


def unfinished(headers: Headers) -> Headers:
    """The headers of a message whose body was not kept whole."""
    codings = [coding for coding in (header(headers, "content-encoding"), UNFINISHED) if coding]
    return with_header(headers, "Content-Encoding", ", ".join(codings))


def with_body(request: Request, kept: BodyCapture, ended: bool) -> Request:
    """The request with what was kept of its body. `ended` says whether the body came to its end."""
    headers = request.headers if ended and kept.whole else unfinished(request.headers)
    return Request(request.method, request.target, headers, bytes(kept.data))
