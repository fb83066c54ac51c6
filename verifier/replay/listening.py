"""Event streams as a replay's client hears them: as long as they say what was recorded, for they may never end."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from verifier.gateway.streaming import KEPT_EVENTS
from verifier.http.client import SendResult, WireClient
from verifier.http.eventstream import EventReader, events, is_event_stream
from verifier.http.message import Request, Response
from verifier.http.streaming import OpenResponse, begin
from verifier.http.wirefaults import NO_FAULTS, Faults

SILENCE = 1.0  # seconds without a word after which a client hangs up, unless it needs what it would hear
_WHOLE = 64 << 20  # bytes of an answer that turns out to be something else


class Listen(Struct, frozen=True, gc=False):
    """How long to listen: until so many events have come, or nothing has for so many seconds."""

    events: int
    silence: float


def listen_as(recorded: Response, needed: bool) -> Listen | None:
    """As long as the recorded client did; None where the recorded answer is no event stream.

    `needed`: later requests use what is said, so that only the time-out ends the wait for it.
    """
    if not is_event_stream(recorded.headers):
        return None
    return Listen(len(events(recorded.body)), float("inf") if needed else SILENCE)


async def listened(
    client: WireClient,
    host: str,
    port: int,
    request: Request,
    listen: Listen,
    timeout: float,  # noqa: ASYNC109 - a time-out is an answer here, not an exception
    faults: Faults = NO_FAULTS,
) -> SendResult:
    """As `client.send`; of an event stream the answer is what was heard until it ended or was hung up.

    Whoever ends it, and however: a stream is judged by its status, and by each of its whole events. A hold keeps back
    the whole request, a cut befalls the first piece that comes.
    """
    if faults.hold is not None:
        await faults.hold.wait()
    began = client.now()
    found = await begin(client, host, port, request, timeout=timeout, patience=timeout, large=_WHOLE)
    if isinstance(found, SendResult):
        return found
    heard = None
    try:
        if streams := is_event_stream(found.response.headers):
            heard = await _hear(found, listen, asyncio.get_running_loop().time() + timeout, faults)
    finally:
        how = found.body.how
        found.release()
    if heard is not None and how != "garbage":
        return SendResult(Response(found.response.status, found.response.headers, heard), "", True, began, client.now())
    return SendResult(None, how or ("reset" if streams else "timeout"), True, began, client.now())


async def _hear(found: OpenResponse, listen: Listen, deadline: float, faults: Faults) -> bytes | None:
    """What was said while it was listened to; None once it is cut."""
    heard, reader, now = bytearray(), EventReader(), asyncio.get_running_loop().time
    while reader.count < listen.events and len(heard) < KEPT_EVENTS:
        try:
            async with asyncio.timeout_at(min(now() + listen.silence, deadline)):
                piece = await found.body.read()
        except TimeoutError:
            break
        if not piece:
            break
        if faults.cut_answer_after is not None:
            found.reset()
            return None
        heard += piece
        reader.feed(piece)
        if faults.slow_read is not None:
            await asyncio.sleep(min(len(piece) / faults.slow_read, max(0.0, deadline - now())))
    return bytes(heard)
