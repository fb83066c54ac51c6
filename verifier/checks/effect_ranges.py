"""How often a write causes each call of a partner: learned from the controls, for every write of a session.

The undisturbed replays of the controls teach which operations of partners are called for a write and how often, and
how long after the response; disturbed replays teach how often under their kind of disturbance. Live traffic teaches
nothing, for it meets replicas that are being stopped.

The old version is the reference, for the new version by itself too. Where the new version calls another operation
instead, or one more, its own control is the reference for that operation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TypeVar

from verifier.checks.context import Context
from verifier.checks.partner_calls import Called, Replayed, Source, called_name, is_write, replays
from verifier.history.model import Operation

USUAL = 0.05  # the share of a control's replays from which on a number of calls is usual
STEADY = 0.8  # the share of the calls in the controls that carry a value, for the value to link calls elsewhere
PATIENCE = 5.0  # times as long as calls took in the controls; after that none is to be expected
AT_LEAST = 1.0  # seconds; a lower limit of that
AGAIN = "again"  # the family of replays in which a write was repeated without a planned fault
NEVER = 1 << 30

T = TypeVar("T", int, float)
Place = tuple[str, int]  # session, index of a write
Range = tuple[int, int]  # the least and the most calls
Ranges = Mapping[Called, Range]


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """An acknowledged write of one replay, and the calls that carry its values. `operation` acknowledged it last."""

    replayed: Replayed
    operation: Operation
    family: str  # of the disturbance of the replay, "" for none
    calls: Mapping[Called, list[Operation]]

    @property
    def place(self) -> Place:
        return (self.replayed.session, self.operation.index)

    @property
    def ended(self) -> float:
        """When its last attempt ended."""
        return max(entry.ended for entry in self.replayed.attempts(self.operation.index))


@dataclass(frozen=True, slots=True)
class Expected:
    """How often each operation is called for a write: one of `replaced` or one of `replacing`, never both."""

    ranges: Ranges
    replaced: frozenset[Called] = frozenset()
    replacing: frozenset[Called] = frozenset()


@dataclass(slots=True)
class _Causes:
    """Which write of a session its calls are made for, learned from the controls.

    It is the last write with a value of the call that had been sent whenever such a call was made. A source counts if
    its value links calls in nearly all replays that make such calls.
    """

    replays: Counter[Called] = field(default_factory=Counter)
    steady: Counter[tuple[Called, Source]] = field(default_factory=Counter)
    first: dict[frozenset[Source], int] = field(default_factory=dict)  # the exchange that had been sent, at least

    def learn(self, replayed: Replayed) -> None:
        linked = [(called_name(call), sources) for call, sources in replayed.calls]
        self.replays.update({name for name, _ in linked})
        self.steady.update({(name, source) for name, sources in linked for source in sources})

    def learn_order(self, replayed: Replayed) -> None:
        for call, sources in replayed.calls:
            known = self.known(called_name(call), sources)
            self.first[known] = min(self.first.get(known, NEVER), replayed.reached(call.started))

    def known(self, name: Called, sources: frozenset[Source]) -> frozenset[Source]:
        """The sources that count. For an operation that no control calls: those that count for another one."""
        names = [name] if name in self.replays else list(self.replays)
        return frozenset(
            source for source in sources if any(self.steady[at, source] >= STEADY * self.replays[at] for at in names)
        )

    def index(self, call: Operation, sources: frozenset[Source]) -> int:
        """The index of the write; -1 for none."""
        known = self.known(called_name(call), sources)
        limit = max((first for those, first in self.first.items() if those & known), default=NEVER)
        limit = self.first.get(known, limit)
        return max((index for index, _ in known if index <= limit), default=-1)


@dataclass(frozen=True, slots=True)
class _Timing:
    """When the calls for a write come: `delay` seconds after its response, after `sent` and before the end of `before`.

    These are indices of exchanges of the session.
    """

    delay: float
    sent: int
    before: int


@dataclass(slots=True)
class EffectRanges:
    """What the controls teach, and every acknowledged write that causes calls there."""

    context: Context
    written: list[Written] = field(default_factory=list)
    _timing: dict[Place, _Timing] = field(default_factory=dict)
    _ends: dict[str, float] = field(default_factory=dict)  # of each path
    _ranges: dict[tuple[Place, str, str], dict[Called, Range]] = field(default_factory=dict)  # with control and family

    def __post_init__(self) -> None:
        found = replays(self.context)
        for step in self.context.history.steps:
            self._ends[step.path] = max(step.ended, self._ends.get(step.path, 0.0))
        causes: dict[str, _Causes] = defaultdict(_Causes)
        teaching = [replayed for replayed in found if self._teaches(replayed) and not self._family(replayed)]
        for replayed in teaching:
            causes[replayed.session].learn(replayed)
        for replayed in teaching:
            causes[replayed.session].learn_order(replayed)
        for replayed in found:
            self._assign(replayed, causes[replayed.session])
        self._learn_times()
        self.written = [entry for entry in self.written if entry.place in self._timing]
        self._count()

    def _assign(self, replayed: Replayed, causes: _Causes) -> None:
        """Give each call of a replay to one of its acknowledged writes."""
        calls: dict[int, dict[Called, list[Operation]]] = defaultdict(lambda: defaultdict(list))
        for call, sources in replayed.calls:
            calls[causes.index(call, sources)][called_name(call)].append(call)
        family = self._family(replayed)
        for index in sorted({entry.index for entry in replayed.operations if is_write(entry)}):
            attempts = replayed.attempts(index)
            acknowledged = [entry for entry in attempts if entry.response and entry.response.status < 400]
            if acknowledged:
                self.written.append(Written(replayed, acknowledged[-1], family, calls[index]))

    def _family(self, replayed: Replayed) -> str:
        """How a replay was disturbed. A reader that is slow does not disturb a write."""
        involved = [*replayed.operations, *(call for call, _ in replayed.calls)]
        family = next((found for entry in involved if (found := self.context.family(entry))), "")
        writes = [entry.index for entry in replayed.operations if is_write(entry)]
        return family or (AGAIN if len(writes) > len(set(writes)) else "")

    def _teaches(self, replayed: Replayed) -> bool:
        return bool(replayed.control) and not replayed.live

    def _learn_times(self) -> None:
        """When calls come, as nearly all of them do: in the control of the old version where that makes any."""
        controls: dict[Place, dict[str, list[tuple[float, int, int]]]] = defaultdict(lambda: defaultdict(list))
        for entry in self.written:
            if self._teaches(entry.replayed) and not entry.family:
                controls[entry.place][entry.replayed.control] += _times(entry)
        for place, found in controls.items():
            for times in [found[name] for name in ("control-old", "control-new") if found[name]][:1]:
                delays, sent, before = zip(*times, strict=True)
                self._timing[place] = _Timing(_nearly_all(delays), _nearly_all(sent), _nearly_all(before))

    def settled(self, entry: Written) -> bool:
        """Whether every call for a write has been made that is to be expected.

        The session must have got as far as it had in the controls when the calls were made: a later request may be
        what makes them. And the end of a path cuts calls off. So the session must have gone through an exchange that
        they always preceded in the controls, or the path must have gone on for much longer than they took there.
        """
        timing = self._timing[entry.place]
        if max(operation.index for operation in entry.replayed.operations) < timing.sent:
            return False
        if self._ends.get(entry.replayed.path, 0.0) - entry.ended >= max(AT_LEAST, PATIENCE * timing.delay):
            return True
        if entry.family and timing.delay > 0:
            return False
        return any(
            operation.index >= timing.before and operation.outcome in ("ok", "accepted")
            for operation in entry.replayed.operations
        )

    def due(self, entry: Written) -> str:
        """The step in which the calls for a write were to come: one after its own where that ended too soon."""
        moment, step = entry.ended + self._timing[entry.place].delay, self.context.steps[entry.operation.step]
        for following in self.context.history.steps:
            if following.path == step.path and step.ended < moment and following.started >= step.ended:
                step = following
        return step.id

    def _count(self) -> None:
        seen: dict[tuple[Place, str, str], list[Mapping[Called, list[Operation]]]] = defaultdict(list)
        for entry in self.written:
            if self._teaches(entry.replayed) and self.settled(entry):
                seen[entry.place, entry.replayed.control, entry.family].append(entry.calls)
        for key, all_calls in seen.items():
            share = 0.0 if key[2] else USUAL * len(all_calls)
            self._ranges[key] = {
                name: _usual(Counter(len(calls.get(name, ())) for calls in all_calls), share)
                for name in {name for calls in all_calls for name in calls}
            }

    def expected(self, entry: Written) -> Expected | None:
        """How often each operation is called for such a write; None where the controls do not tell."""
        old, new = (self._ranges.get((entry.place, control, "")) for control in ("control-old", "control-new"))
        disturbed, also = (
            self._ranges.get((entry.place, control, entry.family)) for control in ("control-old", "control-new")
        )
        if old is None or disturbed is None:
            return None
        own, added = new or {}, frozenset(name for name, (least, _) in (new or {}).items() if least and name not in old)
        gone = (
            frozenset(name for name, (least, _) in old.items() if least and name not in own) if added else frozenset()
        )
        ranges: dict[Called, Range] = {}
        for name in {*old, *disturbed, *own, *(also or {})}:
            known = [old, disturbed] if name in old or name in disturbed else [own, also or own]
            counts = [found.get(name, (0, 0)) for found in known]
            optional = name in gone or name not in old
            ranges[name] = (0 if optional else min(least for least, _ in counts), max(most for _, most in counts))
        return Expected(ranges, gone, added)


def _times(entry: Written) -> Iterator[tuple[float, int, int]]:
    """For each call: its delay, the last exchange sent before it, and the first that ended after it."""
    ended: dict[int, float] = defaultdict(float)
    for operation in entry.replayed.operations:
        ended[operation.index] = max(ended[operation.index], operation.ended)
    for call in (call for calls in entry.calls.values() for call in calls):
        later = (at for at in sorted(ended) if at >= entry.operation.index and ended[at] > call.started)
        yield call.started - entry.ended, entry.replayed.reached(call.started), next(later, NEVER)


def _nearly_all(values: Sequence[T]) -> T:
    """The value that at most one in twenty exceeds."""
    return sorted(values)[ceil((1 - USUAL) * len(values)) - 1]


def _usual(counts: Counter[int], share: float) -> Range:
    usual = [count for count, times in counts.items() if times >= share]
    return min(usual), max(usual)
