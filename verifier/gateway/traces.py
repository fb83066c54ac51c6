"""Trace ids by which inner calls are told apart: 12 hexadecimal digits of place, 20 of the replay.

A trace id (W3C Trace Context) is 32 digits. Ours name the exchange and the attempt in front, and end in a digest of
step and replay, so that one thing to remember for each replay is enough for all of its requests.
"""

from __future__ import annotations

import hashlib

REPLAY_DIGITS = 20  # of the replay's part


def replay_trace(step: str, replay: str) -> str:
    """The part that all requests of a replay share."""
    return hashlib.blake2b(f"{step}/{replay}".encode(), digest_size=REPLAY_DIGITS // 2).hexdigest()


def operation_trace(operation: str) -> str:
    """A whole trace id for a request that is no attempt of a planned exchange: a poll, a read of a sweep."""
    return hashlib.blake2b(operation.encode(), digest_size=16).hexdigest()


def traceparent_start(index: int) -> str:
    """How the `traceparent` of the first attempt of an exchange begins, in every replay."""
    return f"00-{index + 1:06x}000001"


def traceparent_end(replay: str) -> str:
    """How it ends, for every exchange of a replay: what they share, and a parent id made of the same digest."""
    return f"{replay}-{replay[4:]}-01"


def attempt_traceparent(first: str, number: int) -> str:
    """The `traceparent` of a later attempt, from that of the first."""
    return f"{first[:9]}{number:06x}{first[15:]}"


def exchange_and_attempt(trace: str) -> tuple[int, int] | None:
    """The exchange and the attempt that a trace id names; None for one that is not made here."""
    if len(trace) != 12 + REPLAY_DIGITS:
        return None
    try:
        index, number = int(trace[:6], 16) - 1, int(trace[6:12], 16)
    except ValueError:
        return None
    return (index, number) if index >= 0 and trace[:12] == f"{index + 1:06x}{number:06x}" else None
