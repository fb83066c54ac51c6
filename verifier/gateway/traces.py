"""Trace ids that say which request made an inner call.

A trace id (W3C Trace Context) has 32 hexadecimal digits. The first 12 name the exchange and the attempt, the other 20
are a digest of step and replay. So one entry for each replay is enough to recognise all of its requests.
"""

from __future__ import annotations

import hashlib

REPLAY_DIGITS = 20  # of the replay's part


def replay_trace(step: str, replay: str) -> str:
    """The part of the trace id that all requests of a replay share."""
    return hashlib.blake2b(f"{step}/{replay}".encode(), digest_size=REPLAY_DIGITS // 2).hexdigest()


def operation_trace(operation: str) -> str:
    """The whole trace id for a request that is no attempt of a planned exchange: a poll, or a read-back."""
    return hashlib.blake2b(operation.encode(), digest_size=16).hexdigest()


def traceparent_start(index: int) -> str:
    """The start of the `traceparent` of an exchange's first attempt. It is the same in every replay."""
    return f"00-{index + 1:06x}000001"


def traceparent_end(replay: str) -> str:
    """Its end, the same for every exchange of a replay: the shared part, and a parent id made of the same digest."""
    return f"{replay}-{replay[4:]}-01"


def attempt_traceparent(first: str, number: int) -> str:
    """The `traceparent` of a later attempt, from that of the first."""
    return f"{first[:9]}{number:06x}{first[15:]}"


def exchange_and_attempt(trace: str) -> tuple[int, int] | None:
    """Index of the exchange and number of the attempt in a trace id. None for one that was not made here."""
    if len(trace) != 12 + REPLAY_DIGITS:
        return None
    try:
        index, number = int(trace[:6], 16) - 1, int(trace[6:12], 16)
    except ValueError:
        return None
    return (index, number) if index >= 0 and trace[:12] == f"{index + 1:06x}{number:06x}" else None
