"""Accepted is not completed, with nothing declared: what the recorded client saw happen must be seen to happen.

The evidence is the ends of accepted work (`history.model.End`): for each place of the traffic where the recorded client
waited, whether the work ended in a replay, how, and after how long. What the controls with all old show at a place is
what a client may rely on there. Work that does not end at all, or ends in another state than in every control, is a
counterexample. A control reports its own ends in the same way, so that attribution can excuse what old and new do
alone.

It can be wrong where work takes longer than ten times what the longest control needed, which is the bound.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from verifier.checks.context import Context, called
from verifier.checks.kills import kills
from verifier.checks.verdict import CheckResult, Finding
from verifier.history.model import End, Operation, Step

NAME = "completes"
PHASES = {"forward": "going forward", "rollback": "after going back"}
Place = tuple[str, int]  # session, and index of the exchange that waits


@dataclass(slots=True)
class Work:
    """One piece of accepted work: its end in its own step, and a later one, if it was seen to end after that."""

    end: End
    accepting: Operation
    late: End | None = None

    @property
    def place(self) -> Place:
        return self.end.session, self.end.index


@dataclass(slots=True)
class Controls:
    """How work ended in the controls with all old, by place: the states in which it did, and how often it did not."""

    states: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    open: dict[Place, int] = field(default_factory=lambda: defaultdict(int))
    wanted: dict[Place, tuple[str, str, str]] = field(default_factory=dict)  # service, operation, what was waited for


def works(context: Context) -> list[Work]:
    """Every piece of work that a client waited for, in the order in which it was given up or ended."""
    found: dict[tuple[str, int], Work] = {}
    for end in context.history.ends:
        accepting = context.by_id.get(end.operation)
        key = (end.operation, end.index)
        if end.late:
            if (known := found.get(key)) is not None and end.how == "ended":
                known.late = known.late or end
        elif accepting is not None:
            found.setdefault(key, Work(end, accepting))
    return list(found.values())


def learn(context: Context, found: list[Work]) -> Controls:
    controls = Controls()
    for work in found:
        if context.phase(work.accepting) != "control-old" or work.end.operation in context.once(kills):
            continue
        controls.wanted.setdefault(work.place, (work.end.service, work.end.name, work.end.wanted))
        if work.end.how == "ended":
            controls.states[work.place].add(work.end.shown if work.end.declared else "")
        else:
            controls.open[work.place] += 1
    return controls


def check(context: Context) -> CheckResult:
    """Work that did not end where the controls' does, or that ended in a state in which the controls' never ends.

    Declared work that does not end is told by `completes.check`; of its states this tells.
    """
    result, found = CheckResult(NAME), works(context)
    controls = learn(context, found)
    for work in found:
        end, states = work.end, controls.states.get(work.place)
        if not states or end.operation in context.once(kills):
            continue  # no control saw it end: nobody knows that it should (see `unknowns`); or `recovers` tells of it
        result.ran(work.accepting.step, end.service, end.name)
        if end.how == "ended":
            if end.declared and end.shown not in states:
                result.findings.append(_otherwise(context, work, states))
        elif not end.declared and not (end.brief and work.late):
            result.findings.append(_open(context, work))
    return result


def unknowns(context: Context) -> Iterator[str]:
    """Waiting that no control could follow: whether the work is done elsewhere was not looked at.

    The same holds for what a version accepted before its sessions broke off, in every replay of a phase.
    """
    found = works(context)
    yield from _never_waited_for(context, found)
    controls = learn(context, found)
    for place, (service, name, wanted) in controls.wanted.items():
        if not controls.states.get(place):
            yield (
                f"{service} {name}: in no control with all old did the work end as recorded ({wanted}), so whether it "
                f"ends elsewhere was not examined ({place[0]}, exchange {place[1] + 1})"
            )


def _never_waited_for(context: Context, found: list[Work]) -> Iterator[str]:
    """Work that a version accepted in the mixture or after going back, and that no client of that phase waited for.

    Compares accepted requests, where a control shows that their client waits afterwards, with the ends of work. One end
    is enough: the checks judge that one. It can be wrong where a later exchange of the session does not need the work.
    """
    waited = {(work.accepting.session, work.accepting.index) for work in found}
    looked = {_by_phase(context, work.accepting) for work in found}
    missing: Counter[tuple[str, str, str, str]] = Counter()
    taken = context.groups.operations(
        lambda group: group.source == "replay" and not group.fault and 0 < group.status < 300 and group.phase in PHASES
    )
    for operation in taken:
        if not operation.parent and (operation.session, operation.index) in waited:
            missing[_by_phase(context, operation)] += 1
    for (phase, service, name, version), count in missing.items():
        if (phase, service, name, version) not in looked:
            accepted = f"{service} {version} accepted {name} {count} times {PHASES[phase]}"
            yield (
                f"{accepted}, and every session broke off before it waited for the work: "
                "whether it was completed was not examined"
            )


def _by_phase(context: Context, operation: Operation) -> tuple[str, str, str, str]:
    return (context.phase(operation), operation.service, operation.name, operation.version)


def _open(context: Context, work: Work) -> Finding:
    end, operation = work.end, work.accepting
    shown = f"last shown: {end.shown}" if end.how == "open" else f"no read succeeded, the last was {end.shown}"
    late = f"; it ended later, in {work.late.step}" if work.late is not None else "; it never ended on this path"
    return finding(
        context,
        work,
        NAME,
        f"accepted ({called(operation)}), then waited {end.waited:.1f} s for {end.wanted} (bound {end.bound:.0f} s); "
        f"{shown}{late}. Running at the time: {_alive(context, operation)}",
        "a spinner that never ends",
        f"not ended at {work.place[0]}#{work.place[1]}",
    )


def _otherwise(context: Context, work: Work, states: set[str]) -> Finding:
    end = work.end
    return finding(
        context,
        work,
        NAME,
        f"accepted ({called(work.accepting)}), then ended {end.shown!r}; in the controls it ends "
        f"{' or '.join(repr(state) for state in sorted(states))}. Running at the time: "
        f"{_alive(context, work.accepting)}",
        "it failed, where it always succeeded before",
        f"ended {end.shown}",
    )


def finding(context: Context, work: Work, guarantee: str, message: str, experience: str, detail: str) -> Finding:
    """What is wrong with the end of a piece of work, in the terms of a guarantee."""
    operation = work.accepting
    read = context.by_id.get(work.end.last)
    live = context.live(operation.step, operation.service)
    return Finding(
        guarantee=guarantee,
        service=operation.service,
        operation=operation.name,
        step=operation.step,
        versions=context.versions(operation.service, {operation.version} | live),
        message=message,
        experience=experience,
        evidence=(operation.id,) if read is None else (operation.id, read.id),
        detail=detail,
        family=context.family(operation),
    )


def _alive(context: Context, operation: Operation) -> str:
    """Who could have done the work: every replica of the step."""
    step: Step | None = context.steps.get(operation.step)
    running = step.state if step is not None else ()
    return ", ".join(f"{entry.count}×{entry.service} {entry.version}" for entry in running) or "nobody knows"
