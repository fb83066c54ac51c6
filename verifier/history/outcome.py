"""What the sender of a request may conclude from the response."""

from __future__ import annotations

from verifier.history.model import Outcome
from verifier.http.message import Response

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def outcome_of(method: str, response: Response | None, error: str, sent: bool, accepted: int = 202) -> Outcome:
    """The outcome: `ok` happened, `accepted` promised, `fail` certainly did not happen, `info` may have happened.

    A refused connection is `fail`. A timeout or a reset after bytes were sent is `info`, and so is a 5xx on a write.
    """
    if response is None:
        return "info" if sent and error != "refused" else "fail"
    if response.status >= 500:
        return "fail" if method in SAFE else "info"
    if response.status >= 400:
        return "fail"
    if response.status == accepted and method not in SAFE:
        return "accepted"
    return "ok"
