"""Which states a reproduction visits: the steps that show a violation, on the shortest way, and its controls.

A step that is left out is not skipped: its actions are carried out on the way to the next one, without traffic. A way
that comes back to where it was is cut off there. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from verifier.checks.verdict import Attribution
from verifier.plan.model import Action, Path, PathKind, Plan, PlannedStep

# The controls that the attribution to a cell compares it with (`checks/attribution.py`), and the cell's own.
COMPARED: dict[Attribution, tuple[PathKind, ...]] = {
    "pre-existing": ("control-old",),
    "new-version": ("control-old", "control-new"),
    "migration": ("control-old",),
    "upgrade": ("control-old", "control-new", "control-upgrade"),
    "mixed": ("control-old", "control-new", "control-upgrade"),
    "rollback": ("control-old", "control-new", "control-upgrade"),
}
Slots = dict[tuple[str, int], str]  # the version in each slot of each service


def layout(plan: Plan, attribution: Attribution, kept: Collection[str], live: bool) -> tuple[Path, ...]:
    """The controls that the attribution needs, and the path of the `kept` steps with only these. No replays yet.

    With `live`, live traffic runs while replicas are changed, as in the plan; the controls then change theirs too.
    """
    kinds = COMPARED[attribution]
    controls = [path for kind in kinds for path in _first(plan, kind)]
    every = live or len(kept) > 1 or any(step.id in kept for path in controls for step in path.steps[1:])
    paths = [_control(path, every, live) for path in controls]
    for path in plan.paths:
        if path.kind == "rollout" and any(step.id in kept for step in path.steps):
            first = [path.steps[0].id] if live else []  # live traffic needs somebody to send to
            paths.append(way(path, [*first, *_migrated(path, kept), *kept], live))
    return tuple(paths)


def _first(plan: Plan, kind: PathKind) -> list[Path]:
    return [path for path in plan.paths if path.kind == kind][:1]


def _control(path: Path, every: bool, live: bool) -> Path:
    """A control with its first step, and an upgrade with the second, which is the upgrade itself; or with all steps."""
    length = len(path.steps) if every else 2 if path.kind == "control-upgrade" else 1
    return replace(path, steps=tuple(_bare(step, live) for step in path.steps[:length]))


def _bare(step: PlannedStep, live: bool) -> PlannedStep:
    actions = step.actions if live else tuple(replace(action, late_removal=False) for action in step.actions)
    return replace(step, actions=actions, live=step.live and live, replays=(), proofs=())


def _migrated(path: Path, kept: Collection[str]) -> list[str]:
    """The last step before all kept ones in which old code alone runs on migrated data: it is a control of its own."""
    found: list[str] = []
    old = path.steps[0].state
    for step in path.steps:
        if step.id in kept:
            break
        if step.migrations and step.state == old:
            found = [step.id]
    return found


def way(path: Path, kept: Collection[str], live: bool = False) -> Path:
    """The path up to the last kept step, with a step for each kept one, and without the ways that lead nowhere."""
    last = max(at for at, step in enumerate(path.steps) if step.id in kept)
    steps: list[PlannedStep] = []
    waiting: list[Action] = []
    for step in _direct(path.steps[: last + 1], kept):
        bare = _bare(step, live)
        waiting += bare.actions
        if step.id in kept:
            steps.append(replace(bare, actions=tuple(waiting)))
            waiting = []
    return replace(path, steps=tuple(steps))


def _direct(steps: Sequence[PlannedStep], kept: Collection[str]) -> list[PlannedStep]:
    """The steps without those on a way back to an equal state, where none of these is kept."""
    states = list(_states(steps))
    found: list[PlannedStep] = []
    at = 0
    while at < len(steps):
        found.append(steps[at])
        later = at
        for other in range(at + 1, len(steps)):
            if states[other] == states[at]:
                later = other
            if steps[other].id in kept:
                break
        if later > at and steps[later].id in kept:
            found.append(replace(steps[later], actions=()))
        at = later + 1
    return found


def _states(steps: Sequence[PlannedStep]) -> Iterator[tuple[Slots, tuple[str, ...]]]:
    """The version in every slot and the applied migrations after each step."""
    slots: Slots = {}
    for step in steps:
        for action in step.actions:
            if action.kind == "stop":
                slots.pop((action.service, action.slot), None)
            elif action.kind != "migrate":
                slots[action.service, action.slot] = action.version
        yield dict(slots), step.migrations
