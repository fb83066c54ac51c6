"""Event streams: a replay's client listens until it has received as many events as the recorded client.

A stream may never end, so it is not read to its end.
"""

from __future__ import annotations

import asyncio

from msgspec import Struct

from verifier.gateway.streaming import KEPT_EVENTS
from verifier.http.client import SendResult, WireClient
from verifier.http.eventstream import EventReader, events, is_event_stream
from verifier.http.framing import MAX_BODY, UNREADABLE
from verifier.http.message import Request, Response
from verifier.http.streaming import OpenResponse, send_streaming
from verifier.http.wirefaults import NO_FAULTS, Faults

SILENCE = 1.0  # seconds without data after which a client hangs up, unless later requests use the events


class ListenLimits(Struct, frozen=True, gc=False):
    """How long to listen: until so many `events` have come, or nothing for `silence` seconds."""

    events: int
    silence: float


def listen_limits(recorded: Response, needed: bool) -> ListenLimits | None:
    """As long as the recorded client listened; None where the recorded response is no event stream.

    `needed`: later requests use values of the events, so only the time-out of the request ends the wait for them.
    """
    if not is_event_stream(recorded.headers):
        return None
    return ListenLimits(len(events(recorded.body)), float("inf") if needed else SILENCE)


async def listen_for_events(
    client: WireClient,
    host: str,
    port: int,
    request: Request,
    listen: ListenLimits,
    timeout: float,  # noqa: ASYNC109 - a time-out is a result here, not an exception
    faults: Faults = NO_FAULTS,
) -> SendResult:
    """As `client.send`; the body of an event stream is what was received until it ended or the client hung up.

    A stream is judged by its status and by its whole events, whoever ends it. A hold delays the whole request, and a
    cut happens at the first data.
    """
    if faults.hold is not None:
        await faults.hold.wait()
    began = client.now()
    found = await send_streaming(client, host, port, request, timeout=timeout, patience=timeout, large=MAX_BODY)
    if isinstance(found, SendResult):
        return found
    received = None
    try:
        if streams := is_event_stream(found.response.headers):
            received = await _receive_events(found, listen, asyncio.get_running_loop().time() + timeout, faults)
    finally:
        how = found.body.how
        found.release()
    if received is not None and how not in UNREADABLE:
        return SendResult(
            Response(found.response.status, found.response.headers, received), "", True, began, client.now()
        )
    return SendResult(None, how or ("reset" if streams else "timeout"), True, began, client.now())


async def _receive_events(found: OpenResponse, listen: ListenLimits, deadline: float, faults: Faults) -> bytes | None:
    """What was received within the limits; None if the connection was cut."""
    received, reader, now = bytearray(), EventReader(), asyncio.get_running_loop().time
    while reader.count < listen.events and len(received) < KEPT_EVENTS:
        try:
            async with asyncio.timeout_at(min(now() + listen.silence, deadline)):
                piece = await found.body.read()
        except TimeoutError:
            break
        if not piece:
            break
        if faults.cut_response_after is not None:
            found.reset()
            return None
        received += piece
        reader.feed(piece)
        if faults.slow_read is not None:
            await asyncio.sleep(min(len(piece) / faults.slow_read, max(0.0, deadline - now())))
    return bytes(received)
