"""Polling in a recording: the same read sent again and again until its response showed something."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from verifier.correlation.model import Poll
from verifier.correlation.text.json import as_text, cached_json
from verifier.http.message import Headers
from verifier.pointers import MISSING, escape
from verifier.recording.model import Exchange

# A state is a word; a growing number or a passing time is none.
_STATE = re.compile(r"[A-Za-z][A-Za-z _\-]{0,31}\Z")
_VOLATILE = frozenset({"cookie", "date", "traceparent", "tracestate", "x-request-id", "x-correlation-id", "x-trace-id"})


def collapse(exchanges: Sequence[Exchange]) -> list[tuple[Exchange, Poll | None]]:
    """The exchanges in order; each run of polling becomes one: the first request with the last response."""
    found: list[tuple[Exchange, Poll | None]] = []
    start = 0
    while start < len(exchanges):
        end = start + 1
        while end < len(exchanges) and _same_read(exchanges[start], exchanges[end]):
            end += 1
        run = exchanges[start:end]
        poll = _poll(run) if len(run) > 1 else None
        if poll is None:
            found += [(exchange, None) for exchange in run]
        else:
            found.append((replace(run[-1], at=run[0].at, request=run[0].request), poll))
        start = end
    return found


def _same_read(one: Exchange, other: Exchange) -> bool:
    first, second = one.request, other.request
    return (
        first.method == second.method == "GET"
        and first.target == second.target
        and one.host == other.host
        and first.body == second.body
        and _steady(first.headers) == _steady(second.headers)
    )


def _steady(headers: Headers) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in headers if name.lower() not in _VOLATILE)


def _poll(run: Sequence[Exchange]) -> Poll | None:
    """None where nothing changed that a client could have waited for: each of the reads then stays a step."""
    first, last = run[0].response, run[-1].response
    before = dict(_states(cached_json(first.body), ""))
    until = tuple(
        (pointer, value)
        for pointer, value in _states(cached_json(last.body), "")
        if pointer in before and before[pointer] != value
    )
    if first.status == last.status and not until:
        return None
    interval = (run[-1].at - run[0].at) / (len(run) - 1)
    return Poll(round(max(0.0, interval), 6), len(run), until, last.status)


def _states(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """The scalars that look like a state, with their pointers; lists may be reordered and are left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _states(inner, f"{pointer}/{escape(name)}")
    elif value is not MISSING and isinstance(value, str | bool):
        text = as_text(value)
        if text is not None and _STATE.match(text):
            yield pointer, text
