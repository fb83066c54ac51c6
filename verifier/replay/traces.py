"""Trace ids by which inner calls are told apart: 12 hexadecimal digits of place, 20 of the replay.

A trace id (W3C Trace Context) is 32 digits. Ours name the exchange and the attempt in front, and end in a digest of
step and replay, so that one thing to remember for each replay is enough for all of its requests.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

DIGITS = 20  # of the replay's part


def replay_trace(step: str, replay: str) -> str:
    """The part that all requests of a replay share."""
    return hashlib.blake2b(f"{step}/{replay}".encode(), digest_size=DIGITS // 2).hexdigest()


def own_trace(operation: str) -> str:
    """A whole trace id for a request that is no attempt of a planned exchange: a poll, a read of a sweep."""
    return hashlib.blake2b(operation.encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def _begin(index: int, number: int) -> str:
    return f"00-{index + 1:06x}{number:06x}"


def traceparent(index: int, number: int, replay: str) -> str:
    """The header of an attempt of an exchange: its trace id, and a parent id made of the same digest."""
    return f"{_begin(index, number)}{replay}-{replay[4:]}-01"


def place(trace: str) -> tuple[int, int] | None:
    """The exchange and the attempt that a trace id names; None for one that is not made here."""
    if len(trace) != 12 + DIGITS:
        return None
    try:
        index, number = int(trace[:6], 16) - 1, int(trace[6:12], 16)
    except ValueError:
        return None
    return (index, number) if index >= 0 and trace[:12] == f"{index + 1:06x}{number:06x}" else None
