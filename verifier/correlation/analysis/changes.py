"""What changed from one response to a later one of the same read, as conditions on the read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verifier.correlation.analysis.own_values import OwnValues
from verifier.correlation.conditions import CountReaches, EntryAppears, FieldReaches
from verifier.correlation.response_view import OwnValue, Path, ResponseView, carries
from verifier.correlation.text.json import as_text
from verifier.correlation.text.names import words
from verifier.history.outcome import SAFE
from verifier.pointers import MISSING
from verifier.recording.model import Exchange

# A state is a word; a number that grows or a time that passes is none.
_STATE = re.compile(r"[A-Za-z][A-Za-z _\-]{0,31}\Z")
_WORD = re.compile(r"(?<![\w\-])[A-Za-z]{3,24}(?![\w\-])")
_STATES = frozenset({
    "status", "state", "phase", "stage", "outcome", "condition", "lifecycle", "done", "ready", "finished", "completed",
    "complete", "processed", "available", "approved", "pending", "processing", "running", "succeeded", "success",
    "failed", "active", "indexed", "published", "delivered", "sent", "paid", "confirmed", "visible",
})  # fmt: skip
_CODES = frozenset({"status", "state", "phase", "stage"})
# Words under these names tell who answered or worked, and not how far the work is.
_ACTORS = frozenset({
    "by", "server", "host", "hostname", "node", "instance", "replica", "worker", "pod", "region", "zone", "version",
    "handler", "via", "backend", "etag",
})  # fmt: skip
_COUNTS = frozenset({
    "count", "total", "size", "length", "number", "remaining", "pending", "queued", "done", "finished", "processed",
    "completed", "progress", "percent", "percentage", "delivered", "sent", "failed", "succeeded", "jobs", "job",
})  # fmt: skip
_TIMES = frozenset({"at", "time", "timestamp", "ts", "uptime", "age", "date", "elapsed", "duration", "ms", "second"})
_LARGEST_TEXT = 1 << 16  # bytes of a text in which words are compared
_MOST_NEW_WORDS = 3
_MOST_VALUES = 32  # by which elements of lists are told apart
_NOTHING = (None, "", MISSING)


@dataclass(slots=True)
class Fields:
    """Changed members: those that are named or shaped as a state, other words, and what was filled in or removed."""

    states: list[FieldReaches] = field(default_factory=list)
    words: list[FieldReaches] = field(default_factory=list)
    filled: list[FieldReaches] = field(default_factory=list)


def is_state_name(name: str) -> bool:
    return words(name).rpartition(" ")[2] in _STATES


def is_state(value: Any) -> bool:
    """Whether a scalar is a word or a truth value."""
    return isinstance(value, bool) or (isinstance(value, str) and _STATE.match(value) is not None)


def _is_code(name: str, before: Any, after: Any) -> bool:
    """Whether a member holds states as numbers; one that only says how many are done is a count."""
    return words(name).rpartition(" ")[2] in _CODES and isinstance(before, int) and isinstance(after, int)


def changed_fields(first: ResponseView, last: ResponseView, own: Mapping[OwnValue, int], accepted: bool) -> Fields:
    """The members of two documents that differ. Elements of lists are compared where a value of the session tells
    them apart; all others may be another client's.

    A member that comes or goes is a change only if work has been accepted, as what is optional comes and goes.
    """
    found = Fields()
    for path, before, after in _differences(first.document, last.document, (), _best_first(own)):
        if MISSING in (before, after) and not accepted:
            continue
        name = next((token for token in reversed(path) if isinstance(token, str)), "")
        text = as_text(after)
        if after in _NOTHING and before not in _NOTHING:
            found.filled.append(FieldReaches(path, "unset"))
        elif text is not None and is_state_name(name) and (is_state(after) or _is_code(name, before, after)):
            found.states.append(FieldReaches(path, "text", text))
        elif before in _NOTHING:
            found.filled.append(FieldReaches(path, "set"))
        elif text is not None and is_state(after) and words(name).rpartition(" ")[2] not in _ACTORS:
            found.words.append(FieldReaches(path, "text", text))
    return found


def _best_first(own: Mapping[OwnValue, int]) -> list[OwnValue]:
    """The values of the latest exchanges first; of one exchange the unmistakable and long ones."""
    ordered = sorted(own, key=lambda value: (not value.member, own[value], len(value.text)), reverse=True)
    return ordered[:_MOST_VALUES]


def _differences(before: Any, after: Any, path: Path, own: Sequence[OwnValue]) -> Iterator[tuple[Path, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            token = next((value for value in own if not value.member and value.stands_in("", name)), name)
            if isinstance(token, str) or (name in before and name in after):
                yield from _differences(before.get(name, MISSING), after.get(name, MISSING), (*path, token), own)
    elif isinstance(before, list) and isinstance(after, list):
        told: list[Any] = []
        for value in own:
            pair = [[entry for entry in entries if carries(entry, value)] for entries in (before, after)]
            if len(pair[0]) == len(pair[1]) == 1 and not any(pair[1][0] is entry for entry in told):
                told.append(pair[1][0])
                yield from _differences(pair[0][0], pair[1][0], (*path, value), own)
    elif before is not after and (type(before) is not type(after) or before != after):
        yield path, before, after


def changed_entries(
    shown: Sequence[ResponseView], known: OwnValues, exchanges: Sequence[Exchange], accepted: bool
) -> list[EntryAppears]:
    """The values of the session that more places show in the end than at the beginning, or fewer.

    Of each exchange that introduced values one is enough; those of writes say most, and those that nothing showed
    before. Outside of lists a document may repeat what it was asked for, so that only accepted work counts there.
    """
    first, last = shown[0], shown[-1]
    for listed in (True, False) if accepted or last.document is MISSING else (True,):
        grown: dict[OwnValue, int] = {}
        for value, index in known.among(last).items():
            if last.count(value, listed) > first.count(value, listed):
                grown[value] = index
        if grown:
            chosen = _one_each(grown, exchanges)
            entries = [EntryAppears(value, first.count(value, listed), listed) for value in chosen]
            return [entry for entry in entries if not entry.places] or list(entries)
        gone = {
            value: index
            for value, index in known.among(first).items()
            if last.count(value, listed) < first.count(value, listed)
        }
        if gone:
            return [
                EntryAppears(value, last.count(value, listed), listed, leaves=True)
                for value in _one_each(gone, exchanges)
            ]
    return []


def _one_each(values: Mapping[OwnValue, int], exchanges: Sequence[Exchange]) -> list[OwnValue]:
    of_writes = {
        value: index for value, index in values.items() if exchanges[index].request.method not in SAFE
    } or values
    chosen: dict[int, OwnValue] = {}
    for value in sorted(of_writes, key=lambda value: (not value.member, len(value.text)), reverse=True):
        chosen.setdefault(of_writes[value], value)
    return [chosen[index] for index in sorted(chosen, reverse=True)]


def changed_counts(
    first: ResponseView, last: ResponseView, own: Mapping[OwnValue, int], earlier: Sequence[Exchange]
) -> list[CountReaches]:
    """The number or length that changed, if a write came before that may have caused it; the most telling one.

    Without an accepted write only what is named as a count says anything, as numbers change for many reasons.
    """
    write = next((entry for entry in reversed(earlier) if entry.request.method not in SAFE), None)
    if write is None:
        return []
    accepted = write.response.status == 202
    named: list[CountReaches] = []
    other: list[CountReaches] = []
    for path, before, after in _numbers(first.document, last.document, (), _best_first(own)):
        name = next((token for token in reversed(path) if isinstance(token, str)), "")
        said = set(words(name).split())
        if said & _TIMES or (after < before and after != 0 and not accepted):
            continue
        (named if said & _COUNTS else other).append(CountReaches(path, after, after > before))
    return (named or (other if accepted else []))[:1]


def _numbers(before: Any, after: Any, path: Path, own: Sequence[OwnValue]) -> Iterator[tuple[Path, float, float]]:
    """The numbers that differ, and the lengths of lists outside of other lists."""
    for at, one, other in _differences(before, after, path, own):
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        if numbers and not isinstance(one, bool) and not isinstance(other, bool):
            yield at, one, other
    yield from _lengths(before, after, path)


def _lengths(before: Any, after: Any, path: Path) -> Iterator[tuple[Path, float, float]]:
    if isinstance(before, list) and isinstance(after, list) and len(before) != len(after):
        yield path, len(before), len(after)
    elif isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() & after.keys():
            yield from _lengths(before[name], after[name], (*path, name))


def changed_words(shown: Sequence[ResponseView]) -> list[EntryAppears]:
    """The few words that a text or a page has in the end and not at the beginning: what it says has changed."""
    first, last = shown[0], shown[-1]
    if not (first.document is MISSING and last.document is MISSING) or len(last.body) > _LARGEST_TEXT:
        return []
    new = dict.fromkeys(word for word in _WORD.findall(last.text) if not first.count(OwnValue(word), listed=False))
    return [EntryAppears(OwnValue(word), 0, listed=False) for word in new] if len(new) <= _MOST_NEW_WORDS else []
