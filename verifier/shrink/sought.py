"""Which violation a reproduction has to show, and which replays showed it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from verifier.checks.attribution import Attributed
from verifier.checks.context import Context
from verifier.checks.judge import every_finding
from verifier.checks.verdict import Attribution, Violation
from verifier.contracts.registry import ContractRegistry
from verifier.history.model import History, Operation
from verifier.history.parents import root
from verifier.plan.confirmation import PREFIX, Target
from verifier.plan.model import Plan, PlannedStep, Replay


@dataclass(frozen=True, slots=True)
class Sought:
    """What makes two violations the same one.

    Findings are one violation if guarantee, service, operation, detail and attribution are equal
    (`checks/attribution.py`), and a confirmation tries a violation again in the same state and in the controls, so that
    the attribution is found anew and not taken over. The same holds here: a candidate shows the violation if a
    judgement of it alone, with controls of its own, names this guarantee, service, operation and attribution. The
    detail is left out. It tells places in a body apart, and a smaller session may show the defect at another place.
    """

    guarantee: str
    attribution: Attribution
    service: str
    operation: str

    @classmethod
    def of(cls, violation: Violation) -> Sought:
        return cls(violation.guarantee, violation.attribution, violation.service, violation.operation)

    def __str__(self) -> str:
        what = f"{self.operation} of {self.service}" if self.operation else self.service
        return f"{self.guarantee} · {self.attribution} · {what}"


@dataclass(frozen=True, slots=True)
class Sighting:
    """How often a candidate has shown the violation: in `shown` of `tries` in the step that shows it most."""

    shown: int
    tries: int
    step: str = ""

    @property
    def rate(self) -> float:
        return self.shown / self.tries if self.tries else 0.0

    def __str__(self) -> str:
        return f"{self.shown} of {self.tries} {'try' if self.tries == 1 else 'tries'}"


@dataclass(frozen=True, slots=True)
class Proof:
    """The replay of a target, and the places in its session of the operations that prove the violation."""

    target: Target
    shown: frozenset[int]


@dataclass(frozen=True, slots=True)
class Proven:
    """What shows a violation: its replays, the steps that they need, and the requests that no client recorded."""

    proofs: tuple[Proof, ...]
    steps: tuple[str, ...]
    made_up: frozenset[str]  # ids of `plan.model.Proof`


def proven(violation: Violation, history: History, plan: Plan) -> Proven:
    """What the evidence of a violation leads back to. Steps of the confirmation stand for those that they repeat."""
    by_id = {operation.id: operation for operation in history.operations}
    paths = (*plan.paths, *plan.confirmation)
    planned = {(step.id, replay.id): replay for path in paths for step in path.steps for replay in step.replays}
    steps = [violation.step]
    shown: dict[Target, set[int]] = defaultdict(set)
    made_up: set[str] = set()
    for name in violation.evidence:
        if name not in by_id:
            continue
        operation, first = by_id[name], root(by_id[name], by_id)
        steps += [operation.step, first.step]
        if first.source == "proof":
            made_up.add(first.replay)
        elif (target := _target(first, planned)) is not None:
            shown[target] |= {entry.index for entry in (operation, first) if entry.index >= 0}
            steps += [target.fault.until] if target.fault is not None and target.fault.until else []
    names = tuple(dict.fromkeys(step.removeprefix(PREFIX) for step in steps))
    proofs = tuple(Proof(target, frozenset(places)) for target, places in shown.items())
    return Proven(proofs, names, frozenset(made_up))


def _target(first: Operation, planned: dict[tuple[str, str], Replay]) -> Target | None:
    step = first.step.removeprefix(PREFIX)
    replay = planned.get((first.step, first.replay))
    if replay is not None:
        return Target(step, replay.session, replay.route, replay.fault)
    return Target(step, first.session) if first.source == "live" and first.session else None


def seen(
    sought: Sought, history: History, registry: ContractRegistry, plan: Plan, sessions: Collection[str] | None = None
) -> Sighting:
    """How often a history shows the violation to the replays of some sessions; None for all of them.

    The history is judged as if nothing else had been sent, so candidates that ran together are judged apart.
    """
    if sessions is not None:
        history, plan = _alone(history, plan, sessions)
    found = [entry for entry in every_finding(history, registry, plan) if Sought.of(entry.violation) == sought]
    planned = {step.id: len(step.replays) for step in plan.steps}
    shown = Counter(step for step, _ in set(_replays(found, history, registry)))
    if not found:
        return Sighting(0, max(planned.values(), default=1) or 1)
    if not shown:  # the end of a replica, say
        return Sighting(1, 1, found[0].violation.step)
    step, count = max(shown.items(), key=lambda entry: (entry[1] / max(1, planned.get(entry[0], 1)), entry[0]))
    return Sighting(count, max(count, planned.get(step, 0)), step)


def _replays(found: Sequence[Attributed], history: History, registry: ContractRegistry) -> Iterator[tuple[str, str]]:
    """The step and the replay of each finding's last operation."""
    context = Context(history, registry)
    for entry in found:
        for finding in entry.findings:
            if finding.evidence and finding.evidence[-1] in context.by_id:
                first = context.root(context.by_id[finding.evidence[-1]])
                yield first.step, first.replay


def _alone(history: History, plan: Plan, sessions: Collection[str]) -> tuple[History, Plan]:
    """What belongs to some sessions, and what belongs to none."""
    by_id = {operation.id: operation for operation in history.operations}
    own = {"", *sessions}
    paths = tuple(replace(path, steps=tuple(_of(step, sessions) for step in path.steps)) for path in plan.paths)
    mine = {(step.id, replay.id) for path in paths for step in path.steps for replay in step.replays}
    others = {(step.id, replay.id) for step in plan.steps for replay in step.replays} - mine
    alone = structs.replace(
        history,
        operations=tuple(entry for entry in history.operations if root(entry, by_id).session in own),
        faults=tuple(fault for fault in history.faults if (fault.step, fault.replay) not in others),
        ends=tuple(end for end in history.ends if end.session in own),
    )
    return alone, replace(plan, paths=paths, sessions=tuple(entry for entry in plan.sessions if entry.id in sessions))


def _of(step: PlannedStep, sessions: Collection[str]) -> PlannedStep:
    return replace(step, replays=tuple(replay for replay in step.replays if replay.session in sessions))
