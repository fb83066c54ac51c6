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
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from verifier.checks.causes import retyped
from verifier.checks.context import FAMILIES, Context, called
from verifier.checks.readback import LATE
from verifier.checks.readings import NOTHING, Learned, Reading, Relations, absent, learn, readings, shown_before
from verifier.checks.renderings import EMPTY, shown_at, values_of
from verifier.checks.replays import Source, origin, usual_classes
from verifier.checks.shapes import kind
from verifier.checks.verdict import Finding
from verifier.contracts.expressions import MISSING, body_json
from verifier.history.model import Operation

READ_AGAIN = 0.1  # seconds after a write in which a cache may lag, if the same version reads it right afterwards
TIMES = 3  # of the longest lag that a control shows: a mixture may be slower
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|at [0-9.]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
LAG = "a cache lags as long as in the controls"
READ_LATER = "right when it was read again"
ON_ITS_WAY = "a state on its way, which the controls show too"
SHARED_NUMBER = "a number of a resource that all clients share"


@dataclass(slots=True)
class Acknowledged:
    """What was found, by the operation that read it. `examined` and `broken` are pointers by operation id."""

    findings: dict[str, list[Finding]] = field(default_factory=lambda: defaultdict(list))
    examined: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    broken: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    tolerated: Counter[tuple[str, str]] = field(default_factory=Counter)


def check(context: Context) -> Acknowledged:
    """Looks at every response but those that teach. Use it with `context.once`."""
    found = Acknowledged()
    look = _Look(context, found)
    for reading in readings(context):
        if not look.learned.replays.teaches(reading.operation):
            look.at(reading)
    return found


class _Look:
    def __init__(self, context: Context, found: Acknowledged) -> None:
        self._context, self._found = context, found
        self.learned: Learned = context.once(learn)
        self._usual = usual_classes(self.learned.replays)
        self._tried = _tried(context, self.learned)
        self._reads = _reads(context)

    def at(self, reading: Reading) -> None:
        known = self.learned.of(reading)
        if known is None or self._left_out(reading):
            return
        disturbed = bool(reading.replay.faults)
        for pointer in known.held:
            self._written(reading, known, pointer)
        if disturbed:
            return
        before = None if self.learned.replays.is_shared(reading.operation) else shown_before(reading)
        for pointer in {**dict.fromkeys(reading.values), **dict.fromkeys(known.shown)}:
            if pointer not in self._found.examined.get(reading.operation.id, ()):
                if before is not None and pointer in before and known.repeats(pointer):
                    self._repeated(reading, known, pointer, before[pointer])
                else:
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
        return any(self._refused(reading, index) for index in reading.replay.attempts)

    def _refused(self, reading: Reading, index: int) -> bool:
        write = reading.replay.write(index)
        if index >= reading.place[2] and reading.place[3] != "read-back":
            return False
        usual = self._usual.get((write.session, index), set())
        return write.response is None or (bool(usual) and write.response.status // 100 not in usual)

    def _written(self, reading: Reading, known: Relations, pointer: str) -> None:
        sources = [source for source in known.kept(pointer) if source in reading.replay.sources]
        if not sources:
            return
        operation, shown = reading.operation, reading.values.get(pointer, absent(pointer))
        self._found.examined[operation.id].add(pointer)
        if any(reading.holds(source, pointer) for source in sources) or known.always(pointer, shown):
            return
        wanted = {text for source in sources for option in reading.replay.sources[source] for text in option}
        source = max(sources, key=lambda entry: _nearest(reading, entry))
        write = reading.replay.write(source[0])
        if self._lags(reading, pointer, operation.started - write.ended, shown, wanted):
            return
        self._add(reading, pointer, write, _sentence(reading, source, write, pointer))

    def _repeated(self, reading: Reading, known: Relations, pointer: str, before: frozenset[str]) -> None:
        shown = reading.values.get(pointer, absent(pointer))
        kept = before <= shown if "*" in pointer else before == shown
        operation = reading.operation
        self._found.examined[operation.id].add(pointer)
        if kept or self._moves(reading, pointer) or known.always(pointer, shown) or before == {EMPTY}:
            return
        earlier = max(
            (read for read in reading.replay.reads.values() if read.request.target == operation.request.target
             and read.started < operation.started),
            key=lambda read: read.started,
        )  # fmt: skip
        was = _shown(earlier, pointer)
        message = (
            f"{_named(pointer)} was {was} ({called(earlier)}), {operation.version} shows {_shown(operation, pointer)} "
            f"({called(operation)})"
        )
        self._add(reading, pointer, earlier, message)

    def _constant(self, reading: Reading, pointer: str) -> None:
        operation = reading.operation
        shown = reading.values.get(pointer)
        if shown is None:
            if "*" not in pointer or not _empty_list(reading, pointer):
                return
            shown = NOTHING
        usual = self.learned.constant(reading.place, pointer)
        if not usual or shown in usual or not any(texts - {EMPTY} for texts in usual):
            return
        if ("*" in pointer and any(texts <= shown for texts in usual)) or self._moves(reading, pointer):
            return
        if any(_DAY.fullmatch(text) for texts in usual for text in texts):
            return
        if self._on_its_way(reading, pointer, shown, usual):
            self._found.tolerated[self._place(reading, pointer), ON_ITS_WAY] += 1
            return
        self._found.examined[operation.id].add(pointer)
        always = " or ".join(sorted(_plain(texts) for texts in usual))
        message = (
            f"{called(operation)} shows {_named(pointer)} as {_shown(operation, pointer)}; "
            f"all undisturbed responses in the controls show {always}"
        )
        self._add(reading, pointer, None, message, "the page shows something else than it did")

    def _moves(self, reading: Reading, pointer: str) -> bool:
        """Whether a value changes without a write of this client: with time, or as a number that all clients share."""
        operation = reading.operation
        if (operation.service, operation.name, pointer) in self.learned.moving:
            return True
        shown = reading.values.get(pointer, NOTHING)
        counts = bool(shown) and all(_NUMBER.fullmatch(text) for text in shown)
        if counts and self.learned.replays.is_shared(operation):
            self._found.tolerated[self._place(reading, pointer), SHARED_NUMBER] += 1
            return True
        return False

    def _lags(self, reading: Reading, pointer: str, age: float, shown: frozenset[str], wanted: set[str]) -> bool:
        """Whether an older value is shown so soon after the write that the cache of a control would show it too.

        Without such a control a value may be late by READ_AGAIN at most, and the same version must have it right later.
        """
        operation = reading.operation
        older = shown <= {EMPTY} or all(reading.replay.carrying(text) for text in shown)
        if not older:
            return False
        lag = self.learned.lags.get((operation.service, operation.name, pointer), 0.0)
        if lag and age <= TIMES * lag:
            self._found.tolerated[self._place(reading, pointer), LAG] += 1
            return True
        if age <= READ_AGAIN and self._shows_later(reading, pointer, wanted):
            self._found.tolerated[self._place(reading, pointer), READ_LATER] += 1
            return True
        return False

    def _on_its_way(self, reading: Reading, pointer: str, shown: frozenset[str], usual: set[frozenset[str]]) -> bool:
        operation = reading.operation
        known = self.learned.elsewhere.get((operation.service, operation.name, pointer), set())
        wanted = {text for texts in usual for text in texts}
        return shown in known and self._shows_later(reading, pointer, wanted)

    def _shows_later(self, reading: Reading, pointer: str, wanted: set[str]) -> bool:
        operation = reading.operation
        for later in self._reads.get(_resource(self._context, operation), ()):
            if later.started > operation.started and later.response is not None and later.response.status < 300:
                body = body_json(later.response.body)
                values = {} if body is MISSING else values_of(body, reading.replay.own)
                if wanted & values.get(pointer, NOTHING):
                    return True
        return False

    def _place(self, reading: Reading, pointer: str) -> str:
        return f"{reading.operation.service} {reading.operation.name}: {pointer or 'the body'}"

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
            detail=f"changed {pointer}",
            family=" and ".join(families),
            cause=_retyped(reading, pointer, write),
        )
        self._found.findings[operation.id].append(found)


def _family(fault: str) -> str:
    return FAMILIES.get(fault, "")


def _tried(context: Context, learned: Learned) -> set[tuple[str, str, str, str]]:
    """Which disturbances a control of the old version had: service, operation and kind of the reading, family."""
    tried: set[tuple[str, str, str, str]] = set()
    for reading in readings(context):
        if reading.replay.control == "control-old":
            for fault in reading.replay.faults:
                operation = reading.operation
                tried.add((operation.service, operation.name, reading.place[3], _family(fault)))
    return tried


Resource = tuple[str, tuple[str, str], str, str]


def _reads(context: Context) -> dict[Resource, list[Operation]]:
    """Reads of one address for one replay through one version, in order."""
    reads: dict[Resource, list[Operation]] = defaultdict(list)
    for operation in context.history.operations:
        if operation.source in ("replay", "live", "poll", "sweep"):
            reads[_resource(context, operation)].append(operation)
    return reads


def _resource(context: Context, operation: Operation) -> Resource:
    return (operation.service, origin(context, operation), operation.request.target, operation.version)


def _nearest(reading: Reading, source: Source) -> tuple[bool, bool, int, bool]:
    """Sorts the writes that explain a value: of the same address, before the read, the latest, as it was sent."""
    index, side, _ = source
    write = reading.replay.write(index)
    same = write.request.path == reading.operation.request.path
    return (same, index <= reading.place[2], index, side == "sent")


def _sentence(reading: Reading, source: Source, write: Operation, pointer: str) -> str:
    operation, (_, side, at) = reading.operation, source
    verb = "written as" if side == "sent" else "answered as"
    text = next(iter(sorted(reading.replay.sources[source][-1])), "")
    return (
        f"{_named(at)} was {verb} {_source_shown(write, source, text)} ({called(write)}), "
        f"{operation.version} shows {_shown(operation, pointer)} ({called(operation)})"
    )


def _source_shown(write: Operation, source: Source, text: str) -> str:
    body = body_json(write.request.body) if source[1] == "sent" else _body(write)
    value = MISSING if source[2].startswith("?") else shown_at(body, source[2], text)
    return repr(text if value is MISSING else value)


def _shown(operation: Operation, pointer: str) -> str:
    value = shown_at(_body(operation), pointer)
    if value is MISSING:
        return "no such entry" if "*" in pointer else "nothing"
    return f"{value!r} among others" if "*" in pointer else repr(value)


def _body(operation: Operation) -> Any:
    return body_json(operation.response.body) if operation.response is not None else MISSING


def _empty_list(reading: Reading, pointer: str) -> bool:
    """Whether the list of a pointer is there and has no entry."""
    return bool(shown_at(_body(reading.operation), pointer.partition("/*")[0]) == [])


def _named(pointer: str) -> str:
    names = [name for name in pointer.replace("?", "/").split("/") if name and name != "*"]
    return names[-1] if names else "the body"


def _plain(texts: frozenset[str]) -> str:
    return ", ".join(repr(text) for text in sorted(texts)) or "no entry"


def _retyped(reading: Reading, pointer: str, write: Operation | None) -> str:
    """The cause, where a version tells a value in another type than the write did."""
    if write is None or "*" in pointer:
        return ""
    was, now = shown_at(_body(write), pointer), shown_at(_body(reading.operation), pointer)
    if was is MISSING or now is MISSING or kind(was) == kind(now):
        return ""
    return retyped(reading.operation.service, pointer, {kind(was)}, kind(now))
