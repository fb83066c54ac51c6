"""Acknowledged values: what a write was answered with and what a client sent must be what later reads show.

Nothing has to be declared. How a version reads what was written is learned from its own control, where it is alone
with its own data (`readings.py`), and must hold for it in every other state, whoever wrote. Three things are compared:

- a value that a version always reads as a certain write sent it, or was answered with: no lost write;
- a value that a version always reads as its read before showed it: no lost write;
- a value that every undisturbed response of all controls shows alike (`{"valid": true}`, a cart with its entry): no
  lost write as well, for what the client had done is not what it sees now.

It can be wrong where a value is alike in all controls by chance, and where a response depends on more than what its
session wrote. So renderings, states on their way to an end, caches that lag as they do in the controls, and numbers
of resources that all clients share are tolerated, and each is listed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from verifier.checks.causes import retyped
from verifier.checks.context import Context, called
from verifier.checks.expected import Expectations, counts
from verifier.checks.readback import LATE
from verifier.checks.reading_words import (
    answered_body,
    displayed,
    is_empty_list,
    listed,
    named,
    nearest,
    read_otherwise,
)
from verifier.checks.readings import (
    PAGE,
    READS,
    Learned,
    kind_of,
    learn,
    reading_of,
    readings,
    shown_before,
)
from verifier.checks.relations import NOTHING, Reading, Relations, absent
from verifier.checks.renderings import EMPTY, shown_at
from verifier.checks.replays import Replay, Source, origin, usual_classes
from verifier.checks.shapes import kind
from verifier.checks.tolerance import Tolerance
from verifier.checks.verdict import Finding, FindingKind
from verifier.history.model import Operation
from verifier.plan.faults import FAMILIES
from verifier.pointers import MISSING

_IDENTITY = re.compile(r"(?:(?:^|[/_-])(?:id|uuid|guid|key|href|token|etag)|Id|Uuid|Key|Token)$")
_NEVER = 1 << 30  # after every exchange of a session
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|at [0-9.]+")


@dataclass(slots=True)
class Acknowledged:
    """What was found, by the id of the operation that read it. `broken` are the pointers of the findings."""

    tolerance: Tolerance
    findings: dict[str, list[Finding]] = field(default_factory=lambda: defaultdict(list))
    broken: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    look: _Look = field(init=False)

    def settles(self, operation: Operation, pointer: str) -> bool:
        """Whether the value at a pointer was compared with what was written, or is told already."""
        return pointer in self.broken.get(operation.id, ()) or self.look.compares(operation, pointer)


def check(context: Context) -> Acknowledged:
    """Looks at every response but those that teach. Use it with `context.once`."""
    found = Acknowledged(Tolerance(context, context.once(learn)))
    look = found.look = _Look(context, found)
    for reading in readings(context, teaching=False, known=look.expectations.repeats):
        look.at(reading)
    return found


class _Look:
    def __init__(self, context: Context, found: Acknowledged) -> None:
        self._context, self._found = context, found
        self.learned: Learned = context.once(learn)
        self._usual = usual_classes(self.learned.replays)
        self._tried = _tried(context, self.learned)
        self._tolerance = found.tolerance
        self._refusals: dict[Replay, int] = {}
        self.expectations = Expectations(self.learned)

    def at(self, reading: Reading) -> None:
        expected = self.expectations.of(reading)
        if expected is None or self._left_out(reading) or self.expectations.met(reading, expected):
            self.expectations.note(reading)
        else:
            self._compare(reading, expected.known)

    def compares(self, operation: Operation, pointer: str) -> bool:
        """Whether a response is a reading in which the value at a pointer has a write that it must show."""
        reading = reading_of(self.learned.replays, operation, teaching=False)
        known = self.learned.of(reading) if reading is not None else None
        if reading is None or known is None or pointer not in known.held or self._left_out(reading):
            return False
        return any(counts(reading, source) for source in known.kept(pointer))

    def _compare(self, reading: Reading, known: Relations) -> None:
        settled: set[str] = set()
        disturbed = bool(reading.replay.faults)
        for pointer in known.held:
            if self._written(reading, known, pointer):
                settled.add(pointer)
        if disturbed:
            return
        before = None if self.learned.replays.is_shared(reading.operation) else shown_before(reading)
        for pointer in {**dict.fromkeys(reading.values), **dict.fromkeys(known.shown)}:
            if pointer not in settled:
                was = before.get(pointer) if before is not None and known.repeats(pointer) else None
                if was is None or not self._changed(reading, known, pointer, was):
                    self._constant(reading, pointer)

    def _left_out(self, reading: Reading) -> bool:
        """Whether what the verifier did, or a write that was refused, explains any other value."""
        faults, kind_ = reading.replay.faults, reading.place[3]
        if "reorder" in faults or (faults and kind_ == "write") or (faults & LATE and kind_ == "read-back"):
            return True
        families = {_family(fault) for fault in faults}
        operation = reading.operation
        if not all((operation.service, operation.name, kind_, family) in self._tried for family in families):
            return True  # no control was disturbed in this way
        refused = self._first_refused(reading.replay)
        return refused < (_NEVER if kind_ == "read-back" else reading.place[2])

    def _first_refused(self, replay: Replay) -> int:
        """The first write of a replay that was refused, where the controls take it."""
        if replay not in self._refusals:
            self._refusals[replay] = min(
                filter(lambda index: self._refused(replay, index), replay.attempts), default=_NEVER
            )
        return self._refusals[replay]

    def _refused(self, replay: Replay, index: int) -> bool:
        write = replay.write(index)
        usual = self._usual.get((write.session, index), set())
        return write.response is None or (bool(usual) and write.response.status // 100 not in usual)

    def _written(self, reading: Reading, known: Relations, pointer: str) -> bool:
        """Compare a value with what was written; whether a write says what it must be."""
        sources = [source for source in known.kept(pointer) if counts(reading, source)]
        if sources:
            self._compare_with(reading, known, pointer, sources)
        return bool(sources)

    def _compare_with(self, reading: Reading, known: Relations, pointer: str, sources: list[Source]) -> None:
        operation, shown = reading.operation, reading.values.get(pointer, absent(pointer))
        if any(reading.holds(source, pointer) for source in sources) or known.always(pointer, shown):
            return
        wanted = {text for source in sources for option in reading.replay.sources[source] for text in option}
        source = max(sources, key=lambda entry: nearest(reading, entry))
        write = reading.replay.write(source[0])
        tolerance, age = self._tolerance, operation.started - write.ended
        if write.outcome == "accepted" and tolerance.under_way(reading, pointer, shown):
            return
        if tolerance.goes_on(reading, pointer) or tolerance.went_on(reading, pointer, wanted, shown):
            return
        if tolerance.lags(reading, pointer, age, shown, wanted):
            return
        self._add(reading, pointer, write, read_otherwise(reading, source, write, pointer))

    def _changed(self, reading: Reading, known: Relations, pointer: str, before: frozenset[str]) -> bool:
        """Whether the version showed another value when the client read before, which it never does by itself."""
        shown = reading.values.get(pointer, absent(pointer))
        kept = before <= shown if "*" in pointer else before == shown
        if kept or self._tolerance.moves(reading, pointer) or known.always(pointer, shown) or before == {EMPTY}:
            return False
        if self._tolerance.went_on(reading, pointer, before, shown):
            return False
        operation = reading.operation
        earlier = max(
            (read for read in reading.replay.reads.values() if read.request.target == operation.request.target
             and read.started < operation.started),
            key=lambda read: read.started,
        )  # fmt: skip
        was, now = displayed(earlier, pointer), displayed(operation, pointer)
        message = (
            f"{named(pointer)} was {was} ({called(earlier)}), {operation.version} shows {now} ({called(operation)})"
        )
        self._add(reading, pointer, earlier, message)
        return True

    def _constant(self, reading: Reading, pointer: str) -> None:
        operation = reading.operation
        shown = reading.values.get(pointer)
        if pointer == PAGE:
            return
        if shown is None:
            if "*" not in pointer or not is_empty_list(reading, pointer):
                return
            shown = NOTHING
        usual = self.learned.constant(reading.place, pointer)
        if not usual or shown in usual or not any(texts - {EMPTY} for texts in usual):
            return
        if ("*" in pointer and any(texts <= shown for texts in usual)) or self._tolerance.moves(reading, pointer):
            return
        if _IDENTITY.search(pointer) or any(_DAY.fullmatch(text) for texts in usual for text in texts):
            return  # alike by chance: every thing has another id, and every day another date
        if self._tolerance.settles(reading, pointer, usual):
            return
        if any(self._tolerance.went_on(reading, pointer, texts, shown) for texts in usual):
            return
        always = " or ".join(sorted(listed(texts) for texts in usual))
        message = (
            f"{called(operation)} shows {named(pointer)} as {displayed(operation, pointer)}; "
            f"all undisturbed responses in the controls show {always}"
        )
        self._add(reading, pointer, None, message, "the page shows something else than it did")

    def _retyped(self, reading: Reading, pointer: str) -> str:
        """The cause, where a version tells a value in a type that no control shows."""
        now, usual = (
            shown_at(answered_body(reading.operation), pointer),
            self.learned.kinds_of(reading.operation, pointer),
        )
        return "" if now is MISSING or not usual else retyped(reading.operation.service, pointer, usual, kind(now))

    def _add(
        self,
        reading: Reading,
        pointer: str,
        write: Operation | None,
        message: str,
        experience: str = "what was saved reads differently now",
    ) -> None:
        operation, context = reading.operation, self._context
        self._found.broken[operation.id].add(pointer)
        writers = {entry.version for attempts in reading.replay.attempts.values() for entry in attempts
                   if entry.service == operation.service} if write is None else set()  # fmt: skip
        if write is not None and write.service == operation.service:
            writers = {write.version}
        evidence = (operation.id,) if write is None else (write.id, operation.id)
        families = sorted({_family(fault) for fault in reading.replay.faults} - {""})
        found = Finding(
            guarantee="",
            service=operation.service,
            operation=operation.name,
            step=operation.step,
            versions=context.versions(operation.service, {operation.version, *writers}),
            message=message,
            experience=experience,
            evidence=evidence,
            kind=FindingKind.CHANGED,
            detail=f"changed {pointer}",
            family=" and ".join(families),
            cause=self._retyped(reading, pointer),
        )
        self._found.findings[operation.id].append(found)


def _family(fault: str) -> str:
    return FAMILIES.get(fault, "")


def _tried(context: Context, learned: Learned) -> set[tuple[str, str, str, str]]:
    """Which disturbances a control of the old version had: service, operation and kind of the reading, family."""
    families = {
        place: {_family(fault) for fault in replay.faults}
        for place, replay in learned.replays.by_origin.items()
        if replay.control == "control-old" and replay.faults
    }
    tried: set[tuple[str, str, str, str]] = set()
    for operation in context.groups.operations(lambda group: group.source in READS) if families else ():
        for family in families.get(origin(context, operation), ()):
            tried.add((operation.service, operation.name, kind_of(operation), family))
    return tried
