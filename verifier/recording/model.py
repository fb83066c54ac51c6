"""A recording as plain values: exchanges, grouped into sessions in causal order."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.http.message import Request, Response


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request with its response. `at` and `took` are seconds; `at` counts from the recording's start."""

    request: Request
    response: Response
    host: str  # authority the client addressed, such as "orders:8080"
    at: float
    took: float
    line: int = 0  # entry number in the file, from 1, for messages


@dataclass(frozen=True, slots=True)
class Session:
    """The exchanges of one user, in causal order."""

    id: str
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """`began` is the wall-clock time of the first exchange (seconds since the epoch), 0 if unknown."""

    file: str
    sessions: tuple[Session, ...]
    began: float = 0.0
    warnings: tuple[str, ...] = ()
