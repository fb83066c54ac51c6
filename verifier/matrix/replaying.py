"""The `replay` part of a matrix: pace, concurrency, strength, retries, live traffic. Every key has a default."""

from __future__ import annotations

from verifier.located import Located, Reader
from verifier.matrix.model import PACES, Replaying, Retry


def read_replaying(reader: Reader, at: Located | None) -> Replaying:
    """`replay: {pace, concurrency, strength, timeout, retry: {attempts, wait, statuses}, live: {sessions, rate}}`."""
    known = ("pace", "concurrency", "strength", "timeout", "retry", "live")
    items, usual = reader.mapping(at, known), Replaying()
    live = reader.mapping(items.get("live"), ("sessions", "rate"))
    return Replaying(
        pace=reader.choice(items.get("pace"), PACES, usual.pace),
        concurrency=reader.whole(items.get("concurrency"), usual.concurrency, 1, 256),
        strength=reader.whole(items.get("strength"), usual.strength, 2, 3),
        timeout=reader.seconds(items.get("timeout"), usual.timeout),
        retry=_retry(reader, items.get("retry")),
        live_sessions=reader.whole(live.get("sessions"), usual.live_sessions, 1, 64),
        live_rate=float(reader.whole(live.get("rate"), int(usual.live_rate), 1, 10_000)),
    )


def _retry(reader: Reader, at: Located | None) -> Retry:
    items, usual = reader.mapping(at, ("attempts", "wait", "statuses")), Retry()
    return Retry(
        attempts=reader.whole(items.get("attempts"), usual.attempts, 1, 20),
        wait=reader.seconds(items.get("wait"), usual.wait),
        statuses=tuple(reader.whole(item, 503, 400, 599) for item in reader.items(items.get("statuses"))),
    )
