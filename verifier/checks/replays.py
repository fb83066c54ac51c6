"""The replays of a history: what each wrote, what it read, and whether the verifier disturbed it.

What varies by itself is learned from undisturbed replays of the controls alone. A duplicate, a reordering or a lost
answer that the verifier made is its own doing and teaches nothing about the services.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from verifier.checks.context import Context, as_control
from verifier.checks.groups import Group, sent_by
from verifier.checks.renderings import Values, distinctive, sent_values, values_of
from verifier.contracts.expressions import body_json
from verifier.history.model import Operation, Phase
from verifier.history.outcome import SAFE
from verifier.http.message import header
from verifier.pointers import MISSING

Origin = tuple[str, str]  # step, replay
Exchange = tuple[str, str, int]  # service, session, index
Side = Literal["sent", "answered"]
Source = tuple[int, Side, str]  # exchange of the session, request or response, pointer
MOST_VALUES = 400  # pointers of one body that are taken as sources; a longer one is a listing


@dataclass(slots=True)
class Said:
    """What the writes of one replay sent and were answered with.

    `sources`: for each place of a write the values there, one set for each attempt that was taken. `lasting` are those
    that were said for good: accepted work answers with states that pass. `own`: values that tell whose an entry of a
    list is.
    """

    sources: dict[Source, list[frozenset[str]]]
    lasting: dict[Source, list[frozenset[str]]]
    own: set[str]
    _named: dict[str, set[Source]] | None = None

    @property
    def named(self) -> dict[str, set[Source]]:
        """The sources that carry each canonical text."""
        if self._named is None:
            self._named = defaultdict(set)
            for place, options in self.sources.items():
                for text in frozenset().union(*options):
                    self._named[text].add(place)
        return self._named


@dataclass(slots=True, eq=False)
class Replay:
    """One replay of a session. `attempts` are the requests of each exchange that changes something, as they were sent.

    `reads` are the reads that the client took for an answer: the last one of each exchange.
    """

    control: Phase | None
    attempts: dict[int, list[Operation]] = field(default_factory=dict)
    reads: dict[int, Operation] = field(default_factory=dict)
    faults: frozenset[str] = frozenset()
    broken: bool = False  # a request had no response, or an error of the server that is not always there

    @property
    def teaches(self) -> bool:
        """Whether this is an undisturbed replay of a control."""
        return self.control is not None and not self.faults and not self.broken

    @property
    def sources(self) -> dict[Source, list[frozenset[str]]]:
        return _said(self).sources

    @property
    def lasting(self) -> dict[Source, list[frozenset[str]]]:
        return _said(self).lasting

    def carrying(self, text: str) -> set[Source]:
        """The sources that carry a canonical text."""
        return _said(self).named.get(text, set())

    @property
    def texts(self) -> Collection[str]:
        """Every canonical text that a write sent or was answered with."""
        return _said(self).named.keys()

    @property
    def own(self) -> set[str]:
        """Values that tell whose an entry of a list is."""
        return _said(self).own

    def write(self, index: int) -> Operation:
        """The attempt that a client would name: the last one that was answered, else the last one."""
        attempts = self.attempts[index]
        if len(attempts) == 1:
            return attempts[0]
        return next((entry for entry in reversed(attempts) if entry.response is not None), attempts[-1])


@lru_cache(maxsize=1 << 13)
def _said(replay: Replay) -> Said:
    """Computed when it is asked for, and kept for the replays that were asked for last: a long run has many."""
    found: dict[Source, list[frozenset[str]]] = defaultdict(list)
    for index, attempts in replay.attempts.items():
        for operation in attempts:
            for place, texts in _written(index, operation):
                found[place].append(texts)
    accepted = {index for index in replay.attempts if replay.write(index).outcome == "accepted"}
    telling = {text for options in found.values() for texts in options for text in texts if distinctive(text)}
    lasting = {
        source: options
        for source, options in found.items()
        if source[1] == "sent" or source[0] not in accepted or all(telling.issuperset(texts) for texts in options)
    }
    return Said(dict(found), lasting, telling)


def _written(index: int, operation: Operation) -> list[tuple[Source, frozenset[str]]]:
    answer, request = operation.response, operation.request
    if answer is None or answer.status >= 400:
        return []
    sent = sent_values(request.target, request.headers, request.body)
    body = body_json(answer.body)
    answered: Values = {} if body is MISSING else values_of(body)
    sides: tuple[tuple[Side, Values], ...] = (("sent", sent), ("answered", answered))
    return [
        ((index, side, pointer), texts)
        for side, values in sides
        if len(values) <= MOST_VALUES
        for pointer, texts in values.items()
    ]


@dataclass(slots=True)
class Replays:
    """All replays of a history by step and name; `shared` holds the requests that several replays of a path send."""

    by_origin: dict[Origin, Replay]
    shared: set[tuple[str, ...]]
    _controls: dict[str, Phase]  # by step
    _context: Context
    _shared_targets: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._shared_targets = {target for _, _, target, *_ in self.shared}

    def of(self, operation: Operation) -> Replay | None:
        """The replay that an operation belongs to; a read-back belongs to the one that read first."""
        return self.by_origin.get(origin(self._context, operation))

    def is_shared(self, operation: Operation) -> bool:
        """Whether clients of several replays read this very resource: what one of them did shows to all."""
        return operation.request.target in self._shared_targets and _asked(self._context, operation) in self.shared

    def control(self, operation: Operation) -> Phase | None:
        """The control in which an operation was sent, None for any other step."""
        return self._controls.get(operation.step)

    def teaches(self, operation: Operation, replay: Replay | None = None) -> bool:
        """Whether an operation of a control shows what varies without the verifier's doing.

        A resource that many replays share has no replay of its own: whoever disturbs one, the others go on. `replay`
        is the one that it belongs to, where that is known.
        """
        if operation.step not in self._controls:
            return False
        replay = replay or self.of(operation)
        if replay is None or replay.control is None:
            return False
        return replay.teaches or self.is_shared(operation)


def find(context: Context) -> Replays:
    """Index a history once; use it with `context.once`."""
    found: dict[Origin, Replay] = {}
    usual = _usual_errors(context)
    for operation in context.groups.operations(sent_by("replay", "live")):
        place = origin(context, operation)
        replay = found.get(place)
        if replay is None:
            replay = found[place] = Replay(_control(context, place[0]))
        _add(replay, operation, usual)
    controls = {step: control for step in context.steps if (control := _control(context, step)) is not None}
    return Replays(found, _shared(context), controls, context)


def _shared(context: Context) -> set[tuple[str, ...]]:
    """What several replays ask for. Headers are looked at only where the address is the same."""
    first: dict[tuple[str, ...], Origin] = {}
    several: set[tuple[str, ...]] = set()
    for group, operation in context.groups.pairs(_is_read):
        place, address = origin(context, operation), (group.path, group.service, operation.request.target)
        if first.setdefault(address, place) != place:
            several.add(address)
    readers: dict[tuple[str, ...], Origin] = {}
    shared: set[tuple[str, ...]] = set()
    for group, operation in context.groups.pairs(_is_read) if several else ():
        if (group.path, group.service, operation.request.target) in several:
            place, asked = origin(context, operation), _asked(context, operation)
            if readers.setdefault(asked, place) != place:
                shared.add(asked)
    return shared


def _is_read(group: Group) -> bool:
    return group.source in ("replay", "live") and group.method in SAFE


def _control(context: Context, step: str) -> Phase | None:
    """The control in which one version is alone with its own data, None for any other step."""
    known = context.steps.get(step)
    control = as_control(known) if known is not None else None
    return control if control in ("control-old", "control-new") else None


def _usual_errors(context: Context) -> set[Exchange]:
    """The exchanges that the old version by itself always answers with an error of the server (5xx).

    The recording has the error, too, as a rule. The rest of such a session says as much about the services as another
    one: an error that is always there tells of no defect that others do not have.
    """
    steps = {step for step in context.steps if _control(context, step) == "control-old"}

    def exchanges(ends: Callable[[Group], bool]) -> set[Exchange]:
        return {
            _exchange(operation)
            for operation in context.groups.operations(
                lambda group: group.source in ("replay", "live") and group.step in steps and ends(group)
            )
        }

    failed = exchanges(lambda group: group.status >= 500)
    return failed - exchanges(lambda group: group.status < 500) if failed else failed


def _exchange(operation: Operation) -> Exchange:
    return (operation.service, operation.session, operation.index)


def _add(replay: Replay, operation: Operation, usual_errors: set[Exchange]) -> None:
    if operation.fault:
        replay.faults = replay.faults | {operation.fault}
    failed = operation.response is None or operation.response.status >= 500
    if failed and (operation.response is None or _exchange(operation) not in usual_errors):
        replay.broken = True
    if operation.request.method in SAFE:
        replay.reads[operation.index] = operation
    else:
        replay.attempts.setdefault(operation.index, []).append(operation)


def origin(context: Context, operation: Operation) -> Origin:
    """The replay that an operation belongs to: a sweep reads for another one, a late duplicate comes from another."""
    parent = context.by_id.get(operation.parent, operation)
    return (parent.step, parent.replay)


def _asked(context: Context, operation: Operation) -> tuple[str, ...]:
    """What is read, and by whom: a request of one address with another cookie or token reads another resource."""
    headers = operation.request.headers
    who = (header(headers, "Cookie") or "", header(headers, "Authorization") or "")
    return (context.path(operation), operation.service, operation.request.target, *who)


def usual_classes(replays: Replays) -> dict[tuple[str, int], set[int]]:
    """By session and exchange, the status classes with which undisturbed controls answer writes."""
    found: dict[tuple[str, int], set[int]] = defaultdict(set)
    for replay in replays.by_origin.values():
        if replay.teaches:
            for index, attempts in replay.attempts.items():
                for operation in attempts:
                    if operation.response is not None:
                        found[operation.session, index].add(operation.response.status // 100)
    return found
