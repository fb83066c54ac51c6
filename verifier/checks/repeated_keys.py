"""Requests with an `Idempotency-Key` of which nothing is declared: the responses to one key must be alike.

The responses to one key are compared whole: the status class and every value of a JSON body. What differs between
repeats in a control of the old version, under the same kind of disturbance, is left out; so is what only one of the
responses shows, and what the old version never shows, of which it cannot say whether it varies. The comparison can be
wrong where the controls repeated a request too seldom to show what varies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from verifier.checks.context import Context, is_work
from verifier.checks.groups import Group
from verifier.checks.renderings import Values, values_of
from verifier.contracts.expressions import body_json, parse
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.http.message import header
from verifier.pointers import MISSING

KEY = "Idempotency-Key"
STATUS = "the status"
LATER = frozenset({409, 425, 429, 503})
Name = tuple[str, str]  # service, operation


@dataclass(slots=True)
class Repeats:
    """What the controls of the old version show of requests that were repeated with their key."""

    differ: dict[tuple[Name, str], set[str]] = field(default_factory=lambda: defaultdict(set))  # by family
    shown: dict[Name, set[str]] = field(default_factory=lambda: defaultdict(set))
    tried: set[tuple[Name, str]] = field(default_factory=set)

    def compares(self, name: Name, family: str, pointer: str) -> bool:
        return (pointer == STATUS or pointer in self.shown[name]) and pointer not in self.differ[name, family]


def repeated(context: Context) -> list[list[Operation]]:
    """The attempts with each key that no guarantee speaks of and that was sent more than once, in order."""
    found: dict[tuple[str, str, str, str], list[Operation]] = defaultdict(list)

    def open_to(group: Group) -> bool:
        promised = context.guarantees(group)
        return is_work(group) and group.method not in SAFE and (promised is None or not promised.idempotent)

    for operation in context.groups.operations(open_to):
        key = header(operation.request.headers, KEY)
        if key is not None:
            found[context.path(operation), operation.service, operation.name, key].append(operation)
    return [sorted(attempts, key=lambda entry: entry.started) for attempts in found.values() if len(attempts) > 1]


def learn(context: Context) -> Repeats:
    """Use it with `context.once`."""
    found = Repeats()
    for attempts in context.once(repeated):
        if any(context.phase(entry) != "control-old" for entry in attempts) or len(_compared(attempts)) < 2:
            continue
        name, family = name_of(attempts), family_of(context, attempts)
        found.tried.add((name, family))
        found.differ[name, family] |= {pointer for pointer, _ in differences(attempts)}
        for entry in attempts:
            found.shown[name] |= _values(entry).keys()
    return found


def disagreeing(context: Context, known: Repeats, attempts: list[Operation]) -> list[str] | None:
    """Sentences about what differs between the responses to one key; None where the controls cannot say."""
    name, family = name_of(attempts), family_of(context, attempts)
    if len(_compared(attempts)) < 2:
        return []
    if (name, family) not in known.tried:
        return None
    return [
        f"{_said(pointer)} was {' and '.join(values)}"
        for pointer, values in differences(attempts)
        if known.compares(name, family, pointer)
    ]


def name_of(attempts: list[Operation]) -> Name:
    return (attempts[0].service, attempts[0].name)


def family_of(context: Context, attempts: list[Operation]) -> str:
    """The disturbance that repeated a request, "" where its client did so itself."""
    return next((context.family(entry) for entry in attempts if entry.fault), "")


def differences(attempts: list[Operation]) -> Iterator[tuple[str, list[str]]]:
    """Pointers at which responses to one key differ, with the values there, each once."""
    answers = _compared(attempts)
    classes = {f"{entry.response.status // 100}xx" for entry in answers if entry.response is not None}
    if len(classes) > 1:
        yield STATUS, sorted(classes)
        return
    shown = [_values(entry) for entry in answers]
    for pointer in sorted({pointer for values in shown for pointer in values}):
        found = {values[pointer] for values in shown if pointer in values}
        if len(found) > 1:
            yield pointer, sorted(", ".join(sorted(texts)) or "empty" for texts in found)


def _compared(attempts: list[Operation]) -> list[Operation]:
    """Attempts whose response says what became of the request: no error, and none that asks to come back later."""
    return [
        entry
        for entry in attempts
        if entry.response is not None
        and entry.response.status < 500
        and not (entry.response.status in LATER and header(entry.response.headers, "Retry-After") is not None)
    ]


def _values(operation: Operation) -> Values:
    body = body_json(operation.response.body) if operation.response is not None else MISSING
    return {} if body is MISSING else values_of(body)


def _said(pointer: str) -> str:
    return pointer if pointer == STATUS else parse(f"$response.body#{pointer}").text
