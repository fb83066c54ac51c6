"""What can be left out of the replays that show a violation: exchanges and faults, with what each of them needs. Pure.

The unit is one step of a script: an exchange, or all reads of one waiting. So a part of a session is a recording again,
from which correlation learns as from any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from verifier.correlation import Script, ScriptStep
from verifier.correlation.analysis.step_dependencies import StepDependencies
from verifier.matrix.model import Traffic
from verifier.plan.confirmation import Target
from verifier.plan.model import Fault
from verifier.recording.model import Exchange, Recording, Session

FAULT = -1  # in the place of a unit: the fault of a replay
Item = tuple[int, int]  # the number of the replay, from 0; the unit, or FAULT


@dataclass(frozen=True, slots=True)
class Unit:
    """One step of a script: the recorded exchanges that it stands for, each with its session."""

    exchanges: tuple[tuple[str, Exchange], ...]

    @property
    def lines(self) -> set[int]:
        """The entries of the recording."""
        return {exchange.line for _, exchange in self.exchanges}


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay that shows the violation: the traffic it is from, its target, and its units with their needs.

    `session` is the recorded id of the session. `shown` are the units of the operations that prove the violation.
    """

    traffic: Traffic
    recording: Recording
    target: Target
    session: str
    units: tuple[Unit, ...]
    needs: tuple[frozenset[int], ...]
    shown: frozenset[int]


def units(script: Script, recording: Recording) -> tuple[Unit, ...]:
    """The units of a script that was learned from a recording."""
    sessions = {session.id: session.exchanges for session in recording.sessions}
    return tuple(Unit(tuple(_exchanges(step, script.session, sessions))) for step in script.steps)


def _exchanges(
    step: ScriptStep, own: str, sessions: Mapping[str, Sequence[Exchange]]
) -> Iterable[tuple[str, Exchange]]:
    session = step.lender or own
    last = step.exchange
    same = [
        entry
        for entry in sessions[session]
        if entry.line <= last.line
        and (entry.request.method, entry.request.path) == (last.request.method, last.request.path)
    ]
    count = step.waiting.count if step.waiting is not None else 1
    return [(session, entry) for entry in same[-count:]]


def replayed(traffic: Traffic, recording: Recording, script: Script, target: Target, shown: Iterable[int]) -> Replayed:
    """The replay of a target, from the script that it replays."""
    dependencies = StepDependencies(script)
    needs = [frozenset(dependencies.of(at)) for at in range(len(script.steps))]
    for at, step in enumerate(script.steps):
        if step.waiting is not None:
            needs[at] |= {earlier for earlier in step.waiting.needs if earlier < at}
    found = units(script, recording)
    kept = frozenset(index for index in shown if 0 <= index < len(found))
    return Replayed(traffic, recording, target, script.session, found, tuple(needs), kept)


def items(replays: Sequence[Replayed]) -> list[Item]:
    """Everything that can be left out, in the order of the recordings; each fault before the exchanges."""
    found: list[Item] = []
    for number, entry in enumerate(replays):
        found += [(number, FAULT)] if entry.target.fault is not None else []
        found += [(number, at) for at in range(len(entry.units))]
    return found


def needs(replays: Sequence[Replayed]) -> dict[Item, frozenset[Item]]:
    """What each item needs: an exchange its producers, a fault the exchanges that it disturbs."""
    found: dict[Item, frozenset[Item]] = {}
    for number, entry in enumerate(replays):
        for at, needed in enumerate(entry.needs):
            found[number, at] = frozenset((number, earlier) for earlier in needed)
        if (fault := entry.target.fault) is not None:
            disturbed = {fault.index, fault.index + 1} if fault.kind == "reorder" else {fault.index}
            found[number, FAULT] = frozenset((number, at) for at in disturbed if at < len(entry.units))
    return found


def guesses(replays: Sequence[Replayed]) -> list[frozenset[Item]]:
    """Parts that are likely to show the violation, before the search: what proves it, with and without its faults."""
    proof = frozenset((number, at) for number, entry in enumerate(replays) for at in entry.shown)
    faults = frozenset((number, FAULT) for number, entry in enumerate(replays) if entry.target.fault is not None)
    first = frozenset((number, min(entry.shown)) for number, entry in enumerate(replays) if entry.shown)
    return [part for part in dict.fromkeys((first, first | faults, proof, proof | faults)) if part]


def part(entry: Replayed, kept: Iterable[int]) -> Recording:
    """The recording of some units of a replay alone. Exchanges of other sessions stay in sessions of their own."""
    wanted = {pair for at in kept for pair in _places(entry.units[at])}
    sessions = []
    for session in entry.recording.sessions:
        exchanges = tuple(item for item in session.exchanges if (session.id, item.line) in wanted)
        if exchanges:
            sessions.append(Session(session.id, exchanges))
    return replace(entry.recording, sessions=tuple(sessions))


def _places(unit: Unit) -> Iterable[tuple[str, int]]:
    return ((session, exchange.line) for session, exchange in unit.exchanges)


def aimed(
    entry: Replayed, script: Script, name: str, disturbed: bool, lines: Mapping[int, int] | None = None
) -> Target | None:
    """The target for a part of a session, once it was learned again as `script` and is called `name`.

    `lines` are the entries of the recording by those of the part, where these are counted anew.

    None if the exchange that the fault disturbs is not there any more.
    """
    target = entry.target
    places = [step.exchange.line for step in script.steps]
    origin = [_origin(entry, line if lines is None else lines[line]) for line in places]
    route = tuple(target.route[at] if target.route and at is not None else "" for at in origin)
    fault: Fault | None = None
    if target.fault is not None and disturbed:
        if target.fault.index not in origin:
            return None
        fault = replace(target.fault, index=origin.index(target.fault.index))
    if not route or (fault is not None and fault.kind == "reorder" and fault.index + 1 >= len(route)):
        return None
    return replace(target, session=name, route=route if any(route) else (), fault=fault)


def _origin(entry: Replayed, line: int) -> int | None:
    """The unit that a step of a part comes from, by the entry of its last exchange in the recording."""
    return next((at for at, unit in enumerate(entry.units) if line in unit.lines), None)
