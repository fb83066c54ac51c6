"""Waiting in a recording: reads that a client repeated until something changed, whatever they read.

A run of equal reads is waiting if a condition that holds of its end does not hold of its beginning. What a change may
be is taken from most to least telling: a state, an entry that the session knows, another word, a value that is filled
in or removed, a count, a status. A single read is waiting if it shows what an earlier write has only promised.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from verifier.correlation.analysis.accepted_writes import AcceptedWrites
from verifier.correlation.analysis.changes import changed_counts, changed_entries, changed_fields, changed_words
from verifier.correlation.analysis.own_values import OwnValues, request_values
from verifier.correlation.analysis.promised import promised
from verifier.correlation.conditions import Condition, StatusIs
from verifier.correlation.response_view import ResponseView
from verifier.correlation.waiting import Waiting
from verifier.history.outcome import SAFE
from verifier.http.message import Headers, Request, header
from verifier.recording.model import Exchange

_COOKIE = "set-cookie"
_READS = frozenset({"GET", "HEAD"})
# Headers that differ between two reads of the same thing.
_VOLATILE = frozenset({
    "cookie", "date", "if-modified-since", "if-none-match", "traceparent", "tracestate", "x-request-id",
    "x-correlation-id", "x-trace-id",
})  # fmt: skip
_CACHE_BUSTER = re.compile(r"(?<=[?&])(_|t|ts|cb|nocache|rand|timestamp)=\d{6,}(?:\.\d+)?", re.I)
_GIVEN_UP = 3  # equal reads after an accepted write that make a waiting which ended in nothing
_MOST_ALTERNATING = 3  # different reads that a client may repeat in turn
_MOST_CONDITIONS = 8


@dataclass(frozen=True, slots=True)
class _Run:
    """The positions of equal reads; between them stand only other reads that are repeated too."""

    at: tuple[int, ...]


@dataclass(slots=True)
class _Collapse:
    """One session on the way from exchanges to steps."""

    exchanges: Sequence[Exchange]
    known: OwnValues = field(default_factory=OwnValues)
    taken_in: int = 0
    accepted: AcceptedWrites = field(default_factory=AcceptedWrites)
    found: list[tuple[int, Exchange, Waiting | None]] = field(default_factory=list)

    def go(self) -> list[tuple[Exchange, Waiting | None]]:
        start = 0
        while start < len(self.exchanges):
            if self.exchanges[start].request.method not in _READS:
                self._write(start)
                start += 1
                continue
            stop = start
            while stop < len(self.exchanges) and self.exchanges[stop].request.method in _READS:
                stop += 1
            self._know(start)
            for run in _runs(self.exchanges, start, stop):
                self._reads(run)
            start = stop
        return [(exchange, waiting) for _, exchange, waiting in sorted(self.found, key=lambda item: item[0])]

    def _know(self, until: int) -> None:
        """Take in the values of all exchanges before one."""
        for index in range(self.taken_in, until):
            self.known.add(index, self.exchanges[index])
        self.taken_in = max(self.taken_in, until)

    def _write(self, at: int) -> None:
        exchange = self.exchanges[at]
        if exchange.request.method not in SAFE and exchange.response.status == 202:
            self.accepted.add(at, exchange.response)
        self.found.append((at, exchange, None))

    def _reads(self, run: _Run) -> None:
        """One run as waiting and the reads behind its end, or as reads that stand for themselves."""
        conditions, length = self._repeated(run)
        if not conditions and self._gave_up(run):
            self._collapsed(run.at, ())
            return
        if length < 2:
            length = 1
            conditions = ()
        conditions = self._with_promised(run.at[length - 1], conditions)
        if conditions:
            self._collapsed(run.at[:length], conditions)
        else:
            length = 0
        self.found += [(at, self.exchanges[at], None) for at in run.at[length:]]

    def _with_promised(self, at: int, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """With what a write before had promised, where the run itself tells no more than a status."""
        if any(not isinstance(condition, StatusIs) for condition in conditions):
            return conditions
        return promised(self.exchanges, at, self.known, self.accepted) or conditions

    def _repeated(self, run: _Run) -> tuple[tuple[Condition, ...], int]:
        """What a run waited for, and how many of its reads it took; no conditions where nothing changed so."""
        reads = [self.exchanges[at] for at in run.at]
        shown = [ResponseView(read.response) for read in reads]
        if len(reads) < 2 or reads[-1].response.status == 304:
            return (), 0
        alike = [entry for entry in shown if entry.status == shown[-1].status]
        lasting: list[tuple[Condition, int]] = []
        for candidates in self._candidates(alike, run.at[0]):
            lasting = [(item, since) for item in candidates if (since := _since(item, alike))]
            if lasting:
                break
        if lasting:
            chosen = lasting[:_MOST_CONDITIONS]
            since = max(since for _, since in chosen)
            return tuple(item for item, _ in chosen), _position(shown, alike[since]) + 1
        status = StatusIs(shown[-1].status)
        since = _since(status, shown)
        return ((status,), since + 1) if since and self._may_end_with(status.status) else ((), 0)

    def _candidates(self, alike: list[ResponseView], start: int) -> list[Sequence[Condition]]:
        """The changes from the first of these responses to the last, in groups from most to least telling."""
        if len(alike) < 2 or alike[-1].status >= 400:
            return []
        first, last = alike[0], alike[-1]
        own = self.known.among(last)
        fields = changed_fields(first, last, own, bool(self.accepted))
        entries = changed_entries(alike, self.known, self.exchanges, bool(self.accepted))
        counts = changed_counts(first, last, own, self.exchanges[:start])
        groups: list[Sequence[Condition]] = [
            fields.states, entries, fields.words, fields.filled, counts, changed_words(alike),
        ]  # fmt: skip
        return groups

    def _may_end_with(self, status: int) -> bool:
        """A client waits for something to be there, or to be gone after it has asked for that; not for errors."""
        return status < 400 or (status in (404, 410) and any(item[1].request.method not in SAFE for item in self.found))

    def _gave_up(self, run: _Run) -> bool:
        """Whether the client read the same again and again after an accepted write and nothing ever changed."""
        responses = {(read.status, read.body) for read in (self.exchanges[at].response for at in run.at)}
        return bool(self.accepted) and len(run.at) >= _GIVEN_UP and len(responses) == 1

    def _collapsed(self, at: tuple[int, ...], conditions: tuple[Condition, ...]) -> None:
        """A run as one exchange: the first request with the last response, in the place of the last.

        Cookies that the other responses have set or deleted belong to it too.
        """
        run = [self.exchanges[index] for index in at]
        first, last = run[0], run[-1]
        cookies = tuple(entry for read in run[:-1] for entry in read.response.headers if entry[0].lower() == _COOKIE)
        response = (
            structs.replace(last.response, headers=(*cookies, *last.response.headers)) if cookies else last.response
        )
        ended = last.at + last.took
        interval = (last.at - first.at) / (len(run) - 1) if len(run) > 1 else 0.0
        waiting = Waiting(
            interval=round(max(0.0, interval), 6),
            count=len(run),
            until=conditions,
            status=last.response.status,
            lasted=round(max(0.0, ended - first.at), 6),
            passing=tuple(sorted({read.response.status for read in run} - {last.response.status})),
            conditional=any(header(read.request.headers, "if-none-match") is not None for read in run),
        )
        one = replace(last, at=first.at, request=first.request, response=response, took=ended - first.at)
        self.found.append((at[-1], one, waiting))
        if conditions and self.accepted:
            self.accepted.end(self._ended_by(at[-1], conditions))

    def _ended_by(self, at: int, conditions: tuple[Condition, ...]) -> set[int]:
        """The accepted writes whose values a waiting names; the last one if it names none."""
        said = {own.text for condition in conditions for own in condition.own}
        said.update(text for _, text in request_values(self.exchanges[at].request))
        found = {self.known.telling[text] for text in said if text in self.known.telling}
        found.update(index for text in said for index in self.known.named.get(text, {}).values())
        return {write for write in found if write in self.accepted} or {self.accepted.latest}


def collapse(exchanges: Sequence[Exchange]) -> list[tuple[Exchange, Waiting | None]]:
    """Exchanges in order; each waiting becomes one, with the last response, at the first one's time.

    The values in its conditions are the recorded ones: no slots are known yet, and no `write`.
    """
    return _Collapse(exchanges).go()


def _since(condition: Condition, reads: Sequence[ResponseView]) -> int:
    """The first of some responses from which on a condition holds of all, if it holds of none before; else 0."""
    holds = [condition.holds(read) for read in reads]
    return holds.index(True) if holds[-1] and holds == sorted(holds) else 0


def _position(reads: Sequence[ResponseView], wanted: ResponseView) -> int:
    return next(at for at, read in enumerate(reads) if read is wanted)


def _runs(exchanges: Sequence[Exchange], start: int, stop: int) -> list[_Run]:
    """The reads from `start` to `stop` in runs of equal ones, next to each other or in turn with others."""
    keys = [_key(exchanges[at]) for at in range(start, stop)]
    runs: list[_Run] = []
    at = 0
    while at < len(keys):
        end = at
        while end + 1 < len(keys) and keys[end + 1] == keys[at]:
            end += 1
        turn = _in_turn(keys, at) if end == at else at
        if turn > at + 1:
            for key in dict.fromkeys(keys[at:turn]):
                runs.append(_Run(tuple(start + one for one in range(at, turn) if keys[one] == key)))
            at = turn
        else:
            runs.append(_Run(tuple(range(start + at, start + end + 1))))
            at = end + 1
    return runs


def _in_turn(keys: Sequence[object], at: int) -> int:
    """Where a round of different reads that is repeated from `at` on ends: at least two whole rounds; else `at`."""
    for size in range(2, _MOST_ALTERNATING + 1):
        first = keys[at : at + size]
        if len(set(first)) != size:
            return at
        end = at + size
        while end < len(keys) and keys[end] == keys[end - size]:
            end += 1
        if end - at >= 2 * size:
            return end
    return at


def _key(exchange: Exchange) -> tuple[object, ...]:
    """What is equal for two reads of the same thing by the same client."""
    request = exchange.request
    return request.method, _target(request), exchange.host, request.body, _steady(request.headers)


def _target(request: Request) -> str:
    return _CACHE_BUSTER.sub(r"\1=", request.target)


def _steady(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name.lower(), value) for name, value in headers if name.lower() not in _VOLATILE))
