"""HTTP/2 for the wire client, on the h2 library: many requests at once over one connection.

A stream that the service refused (REFUSED_STREAM, or beyond the last stream of a GOAWAY) was certainly not processed
(RFC 9113, section 8.7). It is "refused". Every other end without a response is another `error` of `SendResult`.
The library itself limits heads to 64 KiB, and the frames that they come in.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from verifier.http.framing import BODY_TOO_LARGE, HEAD_TOO_LARGE, MAX_HEADERS
from verifier.http.hold import Hold
from verifier.http.message import Response

_WINDOW = 1 << 24  # bytes that a service may send before its window is opened further
_SLOW = 8  # a slow reader's window is what it reads in an eighth of a second
_SETTINGS = 4  # the type of a frame, in its fourth byte


@dataclass(slots=True)
class Http2Stream:
    """One request under way. The result of `done` is the word for how it ended."""

    done: asyncio.Future[str]
    limit: int
    cut: bool
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    answered: float = 0.0

    @property
    def response(self) -> Response:
        return Response(self.status, self.headers, bytes(self.body))


class Http2Connection(asyncio.Protocol):
    """One connection. `usable` says whether another request may begin."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float], max_body: int) -> None:
        self._loop = loop
        self._clock = clock
        self._max_body = max_body
        self._transport: asyncio.Transport
        self._streams: dict[int, Http2Stream] = {}
        self._window = asyncio.Event()  # set when the service allows more to be sent
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.usable = False
        self._preface = b""
        self._rate = 0.0  # bytes per second at which responses are read; 0: as they come
        self._window_opens_at = 0.0  # by the loop's clock, when all that has arrived will have been read
        self.ended = ""  # how the connection ended
        self.used = False
        self.idle_since = 0.0

    # --- used by the client ---

    def open(
        self, headers: list[tuple[bytes, bytes]], bodiless: bool, cut_response_after: int | None
    ) -> tuple[int, Http2Stream]:
        """Send a request's head. Raises h2.exceptions.ProtocolError when no further stream may be opened."""
        number = self._h2.get_next_available_stream_id()
        self._h2.send_headers(number, headers, end_stream=bodiless)
        cut = cut_response_after is not None
        limit = self._max_body if cut_response_after is None else max(0, cut_response_after - 1)
        stream = self._streams[number] = Http2Stream(self._loop.create_future(), limit, cut)
        self.used = True
        self._flush()
        return number, stream

    def read_slowly(self, rate: float) -> None:
        """Read at most that many bytes per second from now on. Call it before the first request.

        The service may send few bytes at once, and as many more as would have been read since (flow control, RFC
        9113, section 5.2). The window is a setting of the whole connection, so such a connection is for one request.
        """
        self._rate = rate
        window = int(min(max(rate / _SLOW, 1), _WINDOW))
        self._h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self._flush()

    async def write(self, number: int, data: bytes, end: bool) -> None:
        """Send a part of the body as the service's flow control allows. Returns early when the stream ends."""
        while number in self._streams:
            size = min(len(data), self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if size or not data:
                last = end and size == len(data)
                self._h2.send_data(number, data[:size], end_stream=last)
                self._flush()
                data = data[size:]
                if not data:
                    return
            else:
                self._window.clear()
                await self._window.wait()

    def cancel_stream(self, number: int, how: str) -> None:
        """Reset a stream that is still under way, with `how` as its end."""
        if number in self._streams:
            # The service may have ended the stream with the very frame that went too far.
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
            self._flush()
            self._end(number, how)

    def can_open(self, not_before: float) -> bool:
        """Whether another request may begin here. A connection idle since before that time is not trusted."""
        if not self.usable or (self.used and not self._streams and self.idle_since < not_before):
            return False
        return self._h2.open_outbound_streams < self._h2.remote_settings.max_concurrent_streams

    def busy(self) -> bool:
        return bool(self._streams)

    def shut(self) -> None:
        self.usable = False
        self._transport.abort()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.usable = True
        self._h2.initiate_connection()
        self._h2.update_settings(
            {h2.settings.SettingCodes.ENABLE_PUSH: 0, h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW}
        )
        self._h2.increment_flow_control_window(_WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            if len(self._preface) < 4:
                self._check_preface(data)
            events = self._h2.receive_data(data)
            for event in events:
                self._handle(event)
            self._flush()
        except (h2.exceptions.H2Error, ValueError) as problem:
            too_large = isinstance(problem, h2.exceptions.DenialOfServiceError)
            self._end_all(HEAD_TOO_LARGE if too_large else "garbage")
            self.shut()

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._end_all("closed" if exc is None else "reset")

    # --- inside ---

    def _check_preface(self, data: bytes) -> None:
        """A service begins with a SETTINGS frame (RFC 9113, section 3.4).

        With another protocol, h2 would wait for the end of the frame that its first bytes seem to announce.
        """
        self._preface += data[:4]
        if len(self._preface) >= 4 and self._preface[3] != _SETTINGS:
            raise ValueError("the first frame is no SETTINGS frame")

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            self._allow_more(event.stream_id, event.flow_controlled_length or 0)
            self._body(event.stream_id, event.data or b"")
        elif isinstance(event, h2.events.ResponseReceived):
            self._head(event)
        elif isinstance(event, h2.events.StreamEnded):
            if event.stream_id in self._streams:
                self._end(event.stream_id, "")
        elif isinstance(event, h2.events.StreamReset):
            refused = event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM
            self._end(event.stream_id, "refused" if refused else "reset")
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.usable = False
            self.ended = "refused"
            last = event.last_stream_id or 0
            for number in [number for number in self._streams if number > last]:
                self._end(number, "refused")
        elif isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
            self._window.set()

    def _allow_more(self, number: int, size: int) -> None:
        if not self._rate:
            self._h2.acknowledge_received_data(size, number)
        elif size:
            self._window_opens_at = max(self._window_opens_at, self._loop.time()) + size / self._rate
            self._loop.call_at(self._window_opens_at, self._open_window, number, size)

    def _open_window(self, number: int, size: int) -> None:
        if number in self._streams:
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.increment_flow_control_window(size)
                self._h2.increment_flow_control_window(size, number)
            self._flush()

    def _head(self, event: h2.events.ResponseReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        if len(event.headers or ()) > MAX_HEADERS:
            self.cancel_stream(event.stream_id, HEAD_TOO_LARGE)
            return
        pairs = [(_text(name), _text(value)) for name, value in event.headers or ()]
        stream.status = int(next(value for name, value in pairs if name == ":status"))
        stream.headers = tuple(pair for pair in pairs if not pair[0].startswith(":"))

    def _body(self, number: int, data: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.body += data
        if len(stream.body) > stream.limit:
            self.cancel_stream(number, "reset" if stream.cut else BODY_TOO_LARGE)

    def _end(self, number: int, how: str) -> None:
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        stream.answered = self._clock()
        self._window.set()
        if not stream.done.done():
            stream.done.set_result(how)

    def _end_all(self, how: str) -> None:
        self.ended = self.ended or how
        for number in tuple(self._streams):
            self._end(number, how)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)


async def exchange(
    conn: Http2Connection,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    deadline: float,
    hold: Hold | None,
    cut_after: int | None,
    cut_response_after: int | None,
) -> tuple[str, Http2Stream | None]:
    """One request and its response, until the loop's time `deadline`: how it ended, and the stream if one was opened.

    A held request without a body is held as a whole, because its head is also its end.
    """
    number, stream = 0, None
    try:
        async with asyncio.timeout_at(deadline):
            if hold is not None and not body:
                await hold.wait()
            if not conn.usable:
                return conn.ended, None
            number, stream = conn.open(headers, not body, cut_response_after)
            if cut_after is not None:
                await conn.write(number, body[:cut_after], end=False)
                conn.cancel_stream(number, "reset")
            elif body and hold is not None:
                await conn.write(number, body[:-1], end=False)
                await hold.wait()
                await conn.write(number, body[-1:], end=True)
            elif body:
                await conn.write(number, body, end=True)
            return await stream.done, stream
    except TimeoutError:
        conn.cancel_stream(number, "timeout")
        return "timeout", stream
    except h2.exceptions.ProtocolError:
        return ("refused" if stream is None else "reset"), stream
    except asyncio.CancelledError:
        conn.cancel_stream(number, "reset")
        raise


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
