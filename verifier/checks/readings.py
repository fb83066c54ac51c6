"""How each version reads what was written, learned from undisturbed replays of its own control.

A place is an exchange of a session as a client reads it, or as a read-back repeats it. For every pointer of the
response at a place a version may keep relations: the value equals one that a certain write sent or was answered with,
or the one that the client's read before showed. In a list a value only has to be among those at the pointer.
"""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from verifier.checks.context import Context
from verifier.checks.groups import Group
from verifier.checks.relations import Kind, Place, Reading, Relations
from verifier.checks.renderings import Kinds, Values, single_values, values_of
from verifier.checks.replays import Replay, Replays, find, origin
from verifier.checks.shapes import kind
from verifier.contracts.expressions import body_json
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.http.message import Response, header
from verifier.pointers import MISSING

MANY = 6  # samples that a constant needs
STEADY = 20  # samples after which one version may be said to show two values and no third
MOST_PAIRS, MOST_STATES = 256, 16  # kept of the states of one field
PAGES = frozenset({"text/html", "text/plain", "application/xhtml+xml"})
PAGE, LONG = "*text", 4  # where a text stands in a page is not asked; shorter ones stand in every page
READS = frozenset({"replay", "live", "poll", "sweep"})


@dataclass(slots=True)
class Learned:
    """Everything that undisturbed replays of the controls show, by place and by the version that answered."""

    replays: Replays
    relations: dict[tuple[Place, str], Relations]
    by_place: dict[Place, list[Relations]]
    lags: dict[tuple[str, str, str], float]
    moving: set[tuple[str, str, str]]  # what changed along time with no write that explains it
    kinds: dict[tuple[str, str, str], dict[str, set[str]]]  # service, operation, pointer: JSON types by version
    advances: dict[tuple[str, str, str], set[tuple[str, str]]]  # from one text to a later one of the same resource
    _constants: dict[Place, dict[str, set[frozenset[str]]]] = field(default_factory=dict)

    def of(self, reading: Reading) -> Relations | None:
        return self.relations.get((reading.place, reading.operation.version))

    def kinds_of(self, operation: Operation, pointer: str) -> set[str]:
        """The JSON types that the controls show at a pointer, whichever version answers."""
        shown = self.kinds.get((operation.service, operation.name, pointer), {})
        return {found for kinds in shown.values() for found in kinds}

    def usual_kind(self, operation: Operation, pointer: str, value: Any) -> bool:
        """Whether the version tells values of this JSON type at this place in its own control."""
        shown = self.kinds.get((operation.service, operation.name, pointer), {})
        return kind(value) in shown.get(operation.version, ())

    def advances_to(self, operation: Operation, pointer: str, before: str, now: str) -> bool:
        """Whether a control shows that a resource goes from one state to the other by itself, and never back."""
        seen = self.advances.get((operation.service, operation.name, pointer), ())
        return (before, now) in seen and (now, before) not in seen

    def tells_otherwise(self, place: Place, versions: tuple[str, str], pointer: str) -> bool:
        """Whether one of two versions never tells a value as it was written where the other one always does.

        It rounds it, hides a part of it, or spells it in another way, whoever wrote it.
        """
        one, other = (self.relations.get((place, version)) for version in versions)
        if one is None or other is None:
            return False
        return other.never(pointer, one.kept(pointer)) or one.never(pointer, other.kept(pointer))

    def constant(self, place: Place, pointer: str) -> set[frozenset[str]]:
        """The values of which all versions show one at a place, each by itself; none where more are to be expected.

        One version that shows two values may show a third. It is believed to have two after many samples only.
        """
        known = self._constants.setdefault(place, {})
        if pointer not in known:
            known[pointer] = self._constant(place, pointer)
        return known[pointer]

    def _constant(self, place: Place, pointer: str) -> set[frozenset[str]]:
        found = [relations.shown[pointer] for relations in self.by_place.get(place, ()) if pointer in relations.shown]
        values = {texts for shown in found for texts in shown}
        samples = sum(shown.total() for shown in found)
        every = sum(relations.samples for relations in self.by_place.get(place, ()))
        if samples < max(MANY, every) or len(values) > 2:
            return set()
        return values if all(len(shown) == 1 for shown in found) or samples >= STEADY else set()


def learn(context: Context) -> Learned:
    """Use it with `context.once`."""
    replays = context.once(find)
    relations: dict[tuple[Place, str], Relations] = defaultdict(Relations)
    moving: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    kinds: dict[tuple[str, str, str], Kinds] = defaultdict(Kinds)
    names: dict[Place, str] = {}
    last: dict[tuple[str, ...], Values] = {}
    for reading in readings(context, teaching=True):
        operation = reading.operation
        names[reading.place] = operation.name
        body = body_json(operation.response.body if operation.response else b"")
        kinds[operation.service, operation.name, operation.version].learn(body)
        if reading.replay.teaches:
            relations[reading.place, operation.version].learn(reading, shown_before(reading))
        if reading.place[3] == "read-back":
            key = (context.path(operation), operation.parent, operation.version)
            before = last.setdefault(key, reading.values)
            moving[operation.version] |= {
                (operation.service, operation.name, at) for at in _changes(before, reading.values)
            }
    by_place: dict[Place, list[Relations]] = defaultdict(list)
    lags: dict[tuple[str, str, str], float] = defaultdict(float)
    for (place, _), known in relations.items():
        by_place[place].append(known)
        for pointer in known.held:
            at = (place[0], names[place], pointer)
            lags[at] = max(lags[at], known.lag(pointer))
    by_pointer = _by_pointer(kinds)
    return Learned(
        replays,
        dict(relations),
        dict(by_place),
        dict(lags),
        _moving(context, moving, by_pointer),
        by_pointer,
        _advances(context),
    )


def _by_pointer(kinds: dict[tuple[str, str, str], Kinds]) -> dict[tuple[str, str, str], dict[str, set[str]]]:
    found: dict[tuple[str, str, str], dict[str, set[str]]] = defaultdict(dict)
    for (service, operation, version), known in kinds.items():
        for pointer, shown in known.found.items():
            found[service, operation, pointer][version] = shown
    return found


def _moving(
    context: Context,
    moving: dict[str, set[tuple[str, str, str]]],
    kinds: dict[tuple[str, str, str], dict[str, set[str]]],
) -> set[tuple[str, str, str]]:
    """What varies along time in the old version; in the new one only where the old one shows nothing."""
    old = {entry.name: entry.old for entry in context.history.run.services}
    return {
        place
        for version, places in moving.items()
        for place in places
        if version == old.get(place[0]) or old.get(place[0]) not in kinds[place]
    }


def _advances(context: Context) -> dict[tuple[str, str, str], set[tuple[str, str]]]:
    """How states go on along time: for each resource of a control every pair of an earlier and a later text.

    The old version says which states there are. The new one by itself is asked for what the old one does not show:
    that it changes other values along time may be its defect.
    """
    found: dict[str, dict[tuple[str, str, str], set[tuple[str, str]]]] = {"control-old": {}, "control-new": {}}
    seen: dict[tuple[str, ...], dict[str, dict[str, None]]] = defaultdict(dict)
    replays = context.once(find)
    for operation, values in _shown_in_controls(context):
        before = seen[operation.service, *origin(context, operation), operation.request.target]
        for pointer, texts in values.items():
            if len(texts) != 1 or "*" in pointer:
                continue
            (text,) = texts
            states = before.setdefault(pointer, {})
            pairs = found[replays.control(operation) or ""].setdefault(
                (operation.service, operation.name, pointer), set()
            )
            if len(pairs) < MOST_PAIRS:
                pairs.update((earlier, text) for earlier in states if earlier != text)
            if len(states) < MOST_STATES:
                states[text] = None
    return {**found["control-new"], **found["control-old"]}


def _shown_in_controls(context: Context) -> Iterator[tuple[Operation, Values]]:
    """What stands outside lists in each read of the controls that teaches, those of waiting clients with them."""
    replays = context.once(find)
    reads = context.groups.operations(
        lambda group: group.source in READS and group.method in SAFE and group.status // 100 == 2
    )
    for operation in reads:
        answer = operation.response
        if answer is not None and replays.teaches(operation) and (body := body_json(answer.body)) is not MISSING:
            yield operation, single_values(body)


def _changes(before: Values, now: Values) -> Iterator[str]:
    return (pointer for pointer in before.keys() & now.keys() if before[pointer] != now[pointer])


def readings(
    context: Context, *, teaching: bool, known: Callable[[Operation], bool] = lambda operation: False
) -> Iterator[Reading]:
    """Responses with a JSON body that a client or a read-back got, in the order of the history: either those that
    teach, or all others.

    Of several reads of one exchange a client believes the last. Writes count where they were sent once. Read-backs that
    are `known` are left out.
    """
    replays = context.once(find)
    for operation in context.groups.operations(_may_be_read):
        if operation.source == "sweep" and replays.control(operation) is None and known(operation):
            continue
        found = reading_of(replays, operation, teaching)
        if found is not None:
            yield found


def _may_be_read(group: Group) -> bool:
    return group.source in ("replay", "live", "sweep") and group.status // 100 == 2 and group.method != "HEAD"


def reading_of(replays: Replays, operation: Operation, teaching: bool) -> Reading | None:
    """An operation that succeeded as a reading; None where it is none, or one of the other sort."""
    replay = replays.of(operation) if operation.index >= 0 else None
    if replay is None or operation.response is None or replays.teaches(operation, replay) is not teaching:
        return None
    kind = kind_of(operation)
    if kind == "read" and replay.reads.get(operation.index) is not operation:
        return None
    if kind == "write" and len(replay.attempts[operation.index]) > 1:
        return None  # what the responses to repeated requests have to share is another guarantee's
    values = response_values(operation.response, replay)
    if values is None or (PAGE in values and replays.is_shared(operation)):
        return None  # a page that all clients share may go on on the next one
    return Reading(operation, replay, (operation.service, operation.session, operation.index, kind), values)


def response_values(response: Response, replay: Replay) -> Values | None:
    """The values that a response shows; of a page of text those of this client that stand somewhere in it."""
    body = body_json(response.body)
    if body is not MISSING:
        return values_of(body, replay.own)
    media = (header(response.headers, "Content-Type") or "").partition(";")[0].strip().lower()
    if media not in PAGES or header(response.headers, "Content-Encoding") is not None:
        return None
    page = html.unescape(response.body.decode("utf-8", "replace"))
    return {PAGE: frozenset(text for text in replay.texts if len(text) >= LONG and text in page)}


def kind_of(operation: Operation) -> Kind:
    if operation.source == "sweep":
        return "read-back"
    return "read" if operation.request.method in SAFE else "write"


def shown_before(reading: Reading) -> Values | None:
    """What the client's read before showed of the same address, where the same version answered it; else None."""
    last = read_before(reading)
    if last is None or last.response is None:
        return None
    body = body_json(last.response.body)
    return None if body is MISSING else values_of(body, reading.replay.own)


def read_before(reading: Reading) -> Operation | None:
    """The client's read before of the same address, where the same version answered it with success; else None."""
    operation, place = reading.operation, reading.place
    if place[3] == "write":
        return None
    earlier = [
        read
        for index, read in reading.replay.reads.items()
        if (index < place[2] or (place[3] == "read-back" and index == place[2]))
        and read.request.target == operation.request.target
        and read.service == operation.service
    ]
    if not earlier:
        return None
    last = max(earlier, key=lambda read: read.index)
    if last.version != operation.version or last.response is None or last.response.status // 100 != 2:
        return None
    return last
