"""A single read that shows what an earlier write has only promised: its client came back when the work was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any

from verifier.correlation.analysis.accepted_writes import AcceptedWrites
from verifier.correlation.analysis.changes import is_state, is_state_name
from verifier.correlation.analysis.own_values import OwnValues, identifies, is_telling, request_values, scalars
from verifier.correlation.conditions import Condition, EntryAppears, FieldReaches, StatusIs
from verifier.correlation.response_view import ResponseView, follow
from verifier.correlation.text.json import as_text, cached_json
from verifier.history.outcome import SAFE
from verifier.pointers import MISSING
from verifier.recording.model import Exchange

_MOST_BEFORE = 100  # exchanges that are looked back on
_MOST_CONDITIONS = 4
_DEEPEST = 8
_NOTHING = (None, "")


def promised(
    exchanges: Sequence[Exchange], at: int, known: OwnValues, accepted: AcceptedWrites
) -> tuple[Condition, ...]:
    """What the read at a position shows that writes before had only promised; empty if nothing.

    In this order: members that were null or another state before, values of the `accepted` writes in a list or text,
    and that there is something to read at an address which such a write gave.
    """
    read = exchanges[at]
    if read.response.status >= 300:
        return ()
    shown = ResponseView(read.response)
    fields = list(_fields(exchanges, at, shown))
    states = [condition for condition in fields if is_state_name(_name(condition))]
    if fields:
        return tuple((states or fields)[:_MOST_CONDITIONS])
    if entries := _entries(read, shown, known, accepted):
        return tuple(entries[:_MOST_CONDITIONS])
    said = {text for _, text in request_values(read.request)}
    return (StatusIs(read.response.status),) if accepted.named_by(said) else ()


def _name(condition: FieldReaches) -> str:
    return next((token for token in reversed(condition.path) if isinstance(token, str)), "")


def _entries(read: Exchange, shown: ResponseView, known: OwnValues, accepted: AcceptedWrites) -> list[EntryAppears]:
    """One value of each accepted write that the response shows in a list, or in a text without having been asked."""
    asked = {text for _, text in request_values(read.request)}
    chosen: dict[int, EntryAppears] = {}
    found = known.among(shown)
    for value in sorted(found, key=lambda value: (not value.member, len(value.text)), reverse=True):
        echo = shown.document is MISSING and (value.text in asked or value.member)
        if found[value] in accepted and not echo and shown.count(value, listed=True):
            chosen.setdefault(found[value], EntryAppears(value))
    return list(chosen.values())


def _fields(exchanges: Sequence[Exchange], at: int, shown: ResponseView) -> Iterator[FieldReaches]:
    """The members that an earlier exchange about the same thing showed as null, or its write as another state."""
    if not isinstance(shown.document, dict):
        return
    said = {text for _, text in scalars(shown.document)}
    before = [
        index for index in range(max(0, at - _MOST_BEFORE), at) if _same_thing(exchanges[index], exchanges[at], said)
    ]
    for path, value in _members(shown.document, ()) if before else ():
        if (condition := _promised_field(exchanges, before, at, path, value)) is not None:
            yield condition


def _promised_field(
    exchanges: Sequence[Exchange], before: Sequence[int], at: int, path: tuple[str, ...], value: Any
) -> FieldReaches | None:
    """The condition on one member; None where it was as it is, or where a write since has sent it."""
    name = path[-1]
    for index in reversed(before):
        exchange = exchanges[index]
        earlier = follow(cached_json(exchange.response.body), path)
        write = exchange.request.method not in SAFE
        if earlier is MISSING:
            return None
        if earlier in _NOTHING:
            if _sent(exchanges[index + 1 : at], name, value):
                return None
            state = is_state_name(name) and is_state(value)
            return FieldReaches(path, "text", as_text(value) or "") if state else FieldReaches(path, "set")
        if earlier == value:
            if not write or _sent([exchange], name, value):
                return None
            continue
        last = not any(entry.request.method not in SAFE for entry in exchanges[index + 1 : at])
        if write and last and is_state(earlier) and is_state(value):
            return FieldReaches(path, "text", as_text(value) or "")
        return None
    return None


def _sent(exchanges: Sequence[Exchange], name: str, value: Any) -> bool:
    """Whether a write among some exchanges has sent a value, or something under its name."""
    text = as_text(value)
    return any(
        member == name or said == text
        for exchange in exchanges
        if exchange.request.method not in SAFE
        for member, said in request_values(exchange.request)
    )


def _members(document: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The scalars outside of lists that are not null."""
    for name, value in document.items():
        if isinstance(value, dict) and len(path) < _DEEPEST:
            yield from _members(value, (*path, name))
        elif as_text(value) not in _NOTHING:
            yield (*path, name), value


def _same_thing(earlier: Exchange, read: Exchange, said: AbstractSet[str]) -> bool:
    """Whether an earlier exchange was about what a read shows: the same read, or a write of the same thing.

    `said` are all scalars of the response of the read.
    """
    one, other = earlier.request, read.request
    if earlier.host != read.host or earlier.response.status >= 300:
        return False
    if one.method in SAFE:
        same = one.method == other.method and one.target == other.target
        return same and isinstance(cached_json(earlier.response.body), dict)
    found = _identifiers(earlier.response.body)
    if found is None:
        return False
    values, telling = found
    if not telling.isdisjoint(said):
        return True
    inside = other.path == one.path or other.path.startswith(one.path.rstrip("/") + "/")
    return inside and (other.path == one.path or not values.isdisjoint(other.path.split("/")))


@lru_cache(maxsize=2 * _MOST_BEFORE)  # those that the next reads look back on
def _identifiers(body: bytes) -> tuple[frozenset[str], frozenset[str]] | None:
    """The identifiers in a JSON object, and those of them that are known wherever they stand; None for no object."""
    document = cached_json(body)
    if not isinstance(document, dict):
        return None
    values = frozenset(text for member, text in scalars(document) if identifies(member, text))
    return values, frozenset(filter(is_telling, values))
