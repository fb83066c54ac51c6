"""Event streams as a replay's client hears them: as long as they say what was recorded, for they may never end."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from verifier.history.eventstream import EventReader, events, is_event_stream
from verifier.history.message import Request, Response
from verifier.replay.passing import KEPT_EVENTS
from verifier.replay.wire.client import Answer, WireClient
from verifier.replay.wire.streaming import begin

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
) -> Answer:
    """As `client.send`; of an event stream the answer is what was heard until it ended or was hung up.

    Whoever ends it, and however: a stream is judged by its status, and by each of its whole events.
    """
    began = client.now()
    found = await begin(client, host, port, request, timeout=timeout, patience=timeout, large=_WHOLE)
    if isinstance(found, Answer):
        return found
    heard, reader = bytearray(), EventReader()
    try:
        async with asyncio.timeout(timeout):
            while reader.count < listen.events and len(heard) < KEPT_EVENTS:
                async with asyncio.timeout(min(listen.silence, timeout)):
                    piece = await found.body.read()
                if not piece:
                    break
                heard += piece
                reader.feed(piece)
    except TimeoutError:
        pass
    finally:
        broken = found.body.how
        found.release()
    head = found.response
    if broken == "garbage" or not is_event_stream(head.headers):
        return Answer(None, broken or "timeout", True, began, client.now())
    return Answer(Response(head.status, head.headers, bytes(heard)), "", True, began, client.now())
