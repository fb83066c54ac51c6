"""What a client connection is doing."""

from __future__ import annotations

from enum import Enum


class ConnectionState(Enum):
    """The states of an HTTP/1.1 connection, which carries one request at a time.

    CLOSED -> IDLE when the transport is connected; IDLE -> WAITING -> READING -> IDLE for each exchange; any -> CLOSED.
    A response that arrives whole and whose head is known goes from WAITING to IDLE at once.
    """

    IDLE = "idle"  # no request is under way, and one may be sent
    WAITING = "waiting"  # a request is under way; a response that begins with a known head need not be parsed
    READING = "reading"  # the response is being parsed, or will be: to HEAD, and with faults, a known head is no help
    CLOSING = "closing"  # shut down while a request was under way, which ends when the transport reports the loss
    CLOSED = "closed"  # no request is under way, and none can be sent


# Names of the module, because an attribute of an enum costs more to look up in the client's inner loop.
IDLE = ConnectionState.IDLE
WAITING = ConnectionState.WAITING
READING = ConnectionState.READING
CLOSING = ConnectionState.CLOSING
CLOSED = ConnectionState.CLOSED
