"""How each version reads what was written, learned from undisturbed replays of its own control.

A place is an exchange of a session as a client reads it, or as a read-back repeats it. For every pointer of the
response at a place a version may keep relations: the value equals one that a certain write sent or was answered with,
or the one that the client's read before showed. In a list a value only has to be among those at the pointer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from verifier.checks.context import Context
from verifier.checks.renderings import EMPTY, Values, distinctive, values_of
from verifier.checks.replays import Replay, Replays, Source, find
from verifier.contracts.expressions import MISSING, body_json
from verifier.history.model import Operation
from verifier.history.outcome import SAFE

Kind = Literal["read", "write", "read-back"]
Place = tuple[str, str, int, Kind]  # service, session, exchange
NOTHING: frozenset[str] = frozenset()
FEW = 2  # samples that a relation needs
MANY = 6  # samples that a constant needs
STEADY = 20  # samples after which one version may be said to show two values and no third
ATTEMPTS = 3  # first samples from which relations are proposed: one of them may have met a cache that lags


@dataclass(frozen=True, slots=True)
class Reading:
    """One response looked at: its place, its replay, and the values at each pointer."""

    operation: Operation
    replay: Replay
    place: Place
    values: Values

    def visible(self, source: Source) -> bool:
        """Whether the client had written this before it read; of its own request a response shows what was sent."""
        index = self.place[2]
        return self.place[3] == "read-back" or source[0] < index or (source[0] == index and source[1] == "sent")

    def holds(self, source: Source, pointer: str) -> bool:
        shown = self.values.get(pointer, absent(pointer))
        return any(option <= shown for option in self.replay.sources.get(source, ()))


@dataclass(slots=True)
class Relations:
    """What one version keeps at one place: how often each relation held, of `samples` readings."""

    samples: int = 0
    held: dict[str, Counter[Source]] = field(default_factory=lambda: defaultdict(Counter))
    _kept: dict[str, list[Source]] = field(default_factory=dict)
    texts: dict[tuple[str, Source], set[frozenset[str]]] = field(default_factory=lambda: defaultdict(set))
    shown: dict[str, Counter[frozenset[str]]] = field(default_factory=lambda: defaultdict(Counter))
    late: dict[tuple[str, Source], float] = field(default_factory=lambda: defaultdict(float))
    repeated: Counter[str] = field(default_factory=Counter)  # equal to what the read before showed
    compared: Counter[str] = field(default_factory=Counter)

    def learn(self, reading: Reading, before: Values | None) -> None:
        self.samples += 1
        for pointer, texts in reading.values.items():
            self.shown[pointer][texts] += 1
            if before is not None and pointer in before:
                self.compared[pointer] += 1
                self.repeated[pointer] += before[pointer] == texts
            if self.samples <= ATTEMPTS:
                for source in {source for text in texts for source in reading.replay.carrying(text)}:
                    if reading.visible(source):
                        self.held[pointer].setdefault(source, 0)
        for pointer, sources in self.held.items():
            for source in sources:
                self._try(reading, pointer, source)

    def _try(self, reading: Reading, pointer: str, source: Source) -> None:
        if reading.holds(source, pointer):
            self.held[pointer][source] += 1
            if len(self.texts[pointer, source]) < FEW:
                self.texts[pointer, source].update(reading.replay.sources[source])
        elif source in reading.replay.sources:
            age = reading.operation.started - reading.replay.write(source[0]).ended
            self.late[pointer, source] = max(age, self.late[pointer, source])

    def kept(self, pointer: str) -> list[Source]:
        """The relations to writes that always held, the latest write first. Asked when everything was learned."""
        if pointer not in self._kept:
            found = [
                source
                for source, held in self.held.get(pointer, {}).items()
                if held == self.samples and self._telling(pointer, source)
            ]
            found.sort(key=lambda source: (source[0], source[1] == "sent", source[2]), reverse=True)
            self._kept[pointer] = found
        return self._kept[pointer]

    def _telling(self, pointer: str, source: Source) -> bool:
        """Whether a relation is no coincidence: it holds for several values, for a distinctive one, or by its name."""
        texts = self.texts[pointer, source]
        if self.samples < FEW or not any(option - {EMPTY} for option in texts):
            return False
        if len(texts) > 1 or all(distinctive(text) for option in texts for text in option):
            return True
        return _name(pointer) == _name(source[2])

    def lag(self, pointer: str) -> float:
        """Seconds after a write for which a reading that usually follows it did not yet."""
        usual = (
            self.late[pointer, source]
            for source, held in self.held.get(pointer, {}).items()
            if (pointer, source) in self.late and self.samples > held >= self.samples / 2
        )
        return max(usual, default=0.0)

    def repeats(self, pointer: str) -> bool:
        """Whether the value always was the one that the client's read before showed."""
        return self.compared[pointer] >= FEW and self.repeated[pointer] == self.compared[pointer]

    def always(self, pointer: str, texts: frozenset[str]) -> bool:
        """Whether every sample shows exactly these values."""
        return self.shown[pointer][texts] == self.samples if pointer in self.shown else False


@dataclass(slots=True)
class Learned:
    """Everything that undisturbed replays of the controls show, by place and by the version that answered."""

    replays: Replays
    relations: dict[tuple[Place, str], Relations]
    by_place: dict[Place, list[Relations]]
    elsewhere: dict[tuple[str, str, str], set[frozenset[str]]]  # service, operation, pointer: values at every place
    lags: dict[tuple[str, str, str], float]
    moving: set[tuple[str, str, str]]  # what changed along time with no write that explains it

    def of(self, reading: Reading) -> Relations | None:
        return self.relations.get((reading.place, reading.operation.version))

    def constant(self, place: Place, pointer: str) -> set[frozenset[str]]:
        """The values of which all versions show one at a place, each by itself; none where more are to be expected.

        One version that shows two values may show a third. It is believed to have two after many samples only.
        """
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
    elsewhere: dict[tuple[str, str, str], set[frozenset[str]]] = defaultdict(set)
    moving: set[tuple[str, str, str]] = set()
    names: dict[Place, str] = {}
    last: dict[tuple[str, ...], Values] = {}
    for reading in readings(context):
        operation = reading.operation
        if not replays.teaches(operation):
            continue
        names[reading.place] = operation.name
        if reading.replay.teaches:
            relations[reading.place, operation.version].learn(reading, shown_before(reading))
        for pointer, texts in reading.values.items():
            if len(elsewhere[operation.service, operation.name, pointer]) < 64:
                elsewhere[operation.service, operation.name, pointer].add(texts)
        if reading.place[3] == "read-back":
            key = (context.path(operation), operation.parent, operation.version)
            before = last.setdefault(key, reading.values)
            moving |= {(operation.service, operation.name, at) for at in _changes(before, reading.values)}
    by_place: dict[Place, list[Relations]] = defaultdict(list)
    lags: dict[tuple[str, str, str], float] = defaultdict(float)
    for (place, _), known in relations.items():
        by_place[place].append(known)
        for pointer in known.held:
            at = (place[0], names[place], pointer)
            lags[at] = max(lags[at], known.lag(pointer))
    return Learned(replays, dict(relations), dict(by_place), dict(elsewhere), dict(lags), moving)


def _changes(before: Values, now: Values) -> Iterator[str]:
    return (pointer for pointer in before.keys() & now.keys() if before[pointer] != now[pointer])


def readings(context: Context) -> Iterator[Reading]:
    """Every response with a JSON body that a client or a read-back got, in the order of the history.

    Of several requests of one exchange a client believes the last read; responses to each attempt of a write count.
    """
    replays = context.once(find)
    for operation in context.history.operations:
        if operation.source not in ("replay", "live", "sweep") or operation.index < 0 or operation.response is None:
            continue
        if operation.response.status // 100 != 2 or operation.request.method == "HEAD":
            continue
        replay = replays.of(operation)
        body = body_json(operation.response.body)
        if replay is None or body is MISSING:
            continue
        kind = _kind(operation)
        if kind == "read" and replay.reads.get(operation.index) is not operation:
            continue
        place = (operation.service, operation.session, operation.index, kind)
        yield Reading(operation, replay, place, values_of(body, replay.own))


def _kind(operation: Operation) -> Kind:
    if operation.source == "sweep":
        return "read-back"
    return "read" if operation.request.method in SAFE else "write"


def shown_before(reading: Reading) -> Values | None:
    """What the client's read before showed of the same address, where the same version answered it; else None."""
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
    body = body_json(last.response.body)
    return None if body is MISSING else values_of(body, reading.replay.own)


def absent(pointer: str) -> frozenset[str]:
    """What a response shows at a pointer that it does not have: an empty value, or a list without entries."""
    return NOTHING if "*" in pointer else frozenset({EMPTY})


def _name(pointer: str) -> str:
    names = [name for name in pointer.replace("?", "/").split("/") if name and name != "*"]
    return names[-1].replace("_", "").replace("-", "").lower() if names else ""
