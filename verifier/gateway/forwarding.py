"""Sending a call to its replica: as a whole over a pooled connection where possible, else as a stream."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from verifier.gateway.connections import Failed, Tunnel, UpstreamCall, offer_websocket, upload
from verifier.gateway.rotation import Endpoint, InFlight
from verifier.gateway.streaming import Call, OnEnd, StreamedResponse
from verifier.http.client import SendResult, WireClient
from verifier.http.eventstream import is_event_stream
from verifier.http.handler import Peer
from verifier.http.message import Request, with_header
from verifier.http.streaming import LARGE, PATIENCE, OpenResponse, send_streaming

INNER_TIMEOUT = 20.0  # seconds
WHOLE = 5.0  # seconds to wait for the whole of a response that a fault is meant for
WHOLE_BYTES = 32 << 20  # bytes of such a response


async def send(
    client: WireClient,
    call: Call,
    endpoint: Endpoint,
    peer: Peer,
    in_flight: InFlight,
    clock: Callable[[], float],
    on_end: OnEnd,
) -> SendResult | StreamedResponse | Tunnel:
    """Send a call. What is still arriving counts as in flight until its end, and `on_end` is then called."""
    found: SendResult | OpenResponse | UpstreamCall | Failed
    if peer.upload is not None:
        found = await upload(call, endpoint, peer.upload, INNER_TIMEOUT)
    elif peer.offers_websocket:
        found = await offer_websocket(call, endpoint, INNER_TIMEOUT)
    else:
        request = call.request
        found = await send_streaming(
            client,
            endpoint.address.host,
            endpoint.address.port,
            Request(request.method, request.target, with_header(request.headers, "Host", call.host), request.body),
            timeout=INNER_TIMEOUT,
            patience=PATIENCE if call.fault is None else WHOLE,
            large=LARGE if call.fault is None else WHOLE_BYTES,
        )
        if isinstance(found, SendResult):
            return found
    if isinstance(found, Failed):
        return SendResult(None, found.error, found.sent, call.started, clock())
    if isinstance(found, UpstreamCall) and found.switched:
        return Tunnel(call, found, clock, on_end)
    stack = contextlib.ExitStack()
    stack.callback(found.release)
    if not is_event_stream(found.response.headers):  # an event stream has no end that a stop could wait for
        stack.enter_context(in_flight)
    return StreamedResponse(call, found.response, found.length, found.body, stack, clock, on_end)
