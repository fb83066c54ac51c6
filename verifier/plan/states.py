"""Paths through the states of a rollout: controls, migrations, upgrades, rollbacks, and going forward again.

The steps have no replays yet; the planner adds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from verifier.history.model import Phase, Replicas
from verifier.matrix.model import Matrix, Service
from verifier.plan.cover import Changes, cover
from verifier.plan.lattice import FINAL_STAGES, Chain, State, chains, moved, size, upgraded
from verifier.plan.model import Action, Path, PathKind, PlannedStep
from verifier.plan.waves import changes, waves


@dataclass(slots=True)
class _Draft:
    """Builds one path. Tracks the version in every slot and the applied migrations."""

    matrix: Matrix
    id: str
    kind: PathKind
    slots: dict[str, list[str]] = field(default_factory=dict)
    migrations: list[str] = field(default_factory=list)
    steps: list[PlannedStep] = field(default_factory=list)

    def add(self, kind: str, phase: Phase, description: str, actions: Sequence[Action], live: bool = True) -> None:
        for action in actions:
            self._apply(action)
        step = f"{self.id}.{len(self.steps) + 1}"
        state = tuple(self._state())
        live = live and self.matrix.rollout.strategy != "recreate"  # this strategy has a declared downtime
        self.steps.append(
            PlannedStep(step, kind, phase, description, tuple(actions), state, tuple(self.migrations), live)
        )

    def _apply(self, action: Action) -> None:
        if action.kind == "migrate":
            name = f"{action.service} {action.version}"
            if action.stage == "undo":
                self.migrations = [entry for entry in self.migrations if not entry.startswith(f"{name} ")]
            else:
                self.migrations.append(f"{name} {action.stage}")
            return
        running = self.slots.setdefault(action.service, [])
        while len(running) < action.slot:
            running.append("")
        if action.kind != "stop":
            running[action.slot - 1] = action.version
        elif running[action.slot - 1] == action.version:
            running[action.slot - 1] = ""

    def _state(self) -> Iterator[Replicas]:
        for service in self.matrix.services:
            running = self.slots.get(service.name, [])
            for version in service.versions:
                if count := running.count(version.name):
                    yield Replicas(service.name, version.name, count)

    def path(self) -> Path:
        return Path(self.id, self.kind, tuple(self.steps))


def paths(matrix: Matrix, seed: int = 0) -> tuple[Path, ...]:
    """Every path of a matrix: the controls, the rollouts that cover its lattice (`cover.py`), and the crashes."""
    found = [_control(matrix, "control-old-1", "control-old"), _control(matrix, "control-old-2", "control-old")]
    found += [_control(matrix, "control-new", "control-new"), _upgrade_control(matrix)]
    lattice, rollout = chains(matrix), matrix.rollout
    ways = cover(lattice, rollout.cover, rollout.paths, size(matrix).states, seed)
    returned: set[State] = set()
    for number, way in enumerate(ways, 1):
        name = "rollout" if len(ways) == 1 else f"rollout-{number}"
        found.append(_rollout(matrix, name, lattice, way, returned))
    if not rollout.attempt and (_crashing(matrix, False) or _crashing(matrix, True)):
        found.append(_crash(matrix))
    return tuple(found)


def _start_all(matrix: Matrix, new: bool) -> list[Action]:
    return [
        Action("start", service.name, (service.new if new else service.old).name, slot)
        for service in matrix.services
        for slot in range(1, service.replicas + 1)
    ]


def _stop_all_old(matrix: Matrix) -> list[Action]:
    return [
        Action("stop", service.name, service.old.name, slot)
        for service in matrix.services
        for slot in range(1, service.replicas + 1)
    ]


def _staged(matrix: Matrix, *stages: str) -> list[Action]:
    """The migrations of these stages, of every service that is upgraded."""
    return [
        Action("migrate", service.name, service.new.name, stage=stage)
        for service in upgraded(matrix)
        for stage in stages
        if service.migrating(stage)
    ]


def _control(matrix: Matrix, name: str, kind: PathKind) -> Path:
    """One version alone on fresh stores. Then the same version is deployed again.

    The second step replaces the replicas one after the other, as a rollout does. It is the control of a transition: a
    defect that it shows, such as a lease that is not released, was not caused by a new version.
    """
    draft, new = _Draft(matrix, name, kind), kind == "control-new"
    phase: Phase = "control-new" if new else "control-old"
    which = "new" if new else "old"
    actions = _start_all(matrix, new)
    if new and _staged(matrix, "expand", "migrate", "contract"):
        # A migration changes the schema of the old version, so the old version must create it first.
        actions = [*_start_all(matrix, False), *_stop_all_old(matrix), *_staged(matrix, "expand", "migrate"), *actions]
    draft.add("start", phase, f"start every service, all {which}, on fresh stores", actions, live=False)
    restarts = [
        Action("restart", service.name, (service.new if new else service.old).name, slot)
        for service in matrix.services
        for slot in range(1, service.replicas + 1)
    ]
    draft.add("restart", phase, f"restart every {which} replica, one after the other", restarts)
    crashes = _crashes(matrix, new) if name != "control-old-2" and not matrix.rollout.attempt else []
    if crashes:
        draft.add("crash", phase, f"kill {_named(crashes)} and start it again", crashes, live=False)
    return draft.path()


def _crashing(matrix: Matrix, new: bool) -> list[Service]:
    """The services of which a replica is killed beside a migration: an old one after it, or a new one before it."""
    stages = ("migrate", "contract") if new else ("expand",)
    return [service for service in upgraded(matrix) if any(map(service.migrating, stages))]


def _crashes(matrix: Matrix, new: bool) -> list[Action]:
    """Kill the last replica of each such service, which is told nothing, and start it again."""
    return [
        Action("crash", service.name, (service.new if new else service.old).name, service.replicas)
        for service in _crashing(matrix, new)
    ]


def _named(crashes: Sequence[Action]) -> str:
    return "a replica of " + ", ".join(f"{action.service} {action.version}" for action in crashes)


def _crash(matrix: Matrix) -> Path:
    """Replicas that are killed beside a migration, on a path of their own: what a killed one leaves behind can hide a
    defect of the rollout. No request is under way, and between the migrations all is replaced at once.
    """
    draft = _Draft(matrix, "crash", "crash")
    draft.add("start", "forward", "start every service, all old, on fresh stores", _start_all(matrix, False), False)
    if old := _crashes(matrix, new=False):
        told = f"expand, then kill {_named(old)} and start it again"
        draft.add("crash", "forward", told, [*_staged(matrix, "expand"), *old], live=False)
    if new := _crashes(matrix, new=True):
        draft.add("replace", "forward", "replace every old replica by a new one", _replaced(matrix), live=False)
        draft.add("crash", "forward", f"kill {_named(new)} and start it again", new, live=False)
        _finish(draft, upgraded(matrix))
    return draft.path()


def _replaced(matrix: Matrix) -> list[Action]:
    return [
        action
        for service in upgraded(matrix)
        for wave in waves(matrix, service)
        for action in changes(matrix, service, wave, service.new.name)
    ]


def _upgrade_control(matrix: Matrix) -> Path:
    """New code on data of old code, without a mixture: the old version serves and stops, then the new one starts.

    The first step is another control of the old version. The second step shows defects of the upgrade itself, for any
    strategy.
    """
    draft = _Draft(matrix, "control-upgrade", "control-upgrade")
    draft.add(
        "start", "control-old", "start every service, all old, on fresh stores", _start_all(matrix, False), live=False
    )
    draft.add(
        "upgrade",
        "control-upgrade",
        "stop every old replica, migrate, start every new one",
        [*_stop_all_old(matrix), *_staged(matrix, "expand", "migrate"), *_start_all(matrix, True)],
        live=False,
    )
    if contracting := _staged(matrix, "contract"):
        draft.add("finalize", "control-upgrade", "contract with all new", contracting)
    return draft.path()


def _rollout(matrix: Matrix, name: str, lattice: Sequence[Chain], way: Changes, returned: set[State]) -> Path:
    """A way through the lattice. `returned` are the states that were rolled back from already, in other paths.

    With `every-state` each state is rolled back from once, but the last two of every path always are.
    """
    draft = _Draft(matrix, name, "rollout")
    draft.add("start", "forward", "start every service, all old, on fresh stores", _start_all(matrix, False), False)
    done: list[tuple[Service, list[int]]] = []
    state: State = (0,) * len(lattice)
    left = sum(len(waves(matrix, service)) for service in upgraded(matrix))
    mode = matrix.rollout.rollback
    attempt = matrix.rollout.attempt
    for at in way:
        service, number = matrix.service(lattice[at].service), state[at] - lattice[at].expands
        state = moved(state, at)
        if attempt == "contract-early" and number == 0:
            _finish(draft, [service])
        if number < 0 and attempt != "new-before-expand":
            _expand(draft, service)
        elif number < 0:
            continue
        else:
            wave = waves(matrix, service)[number]
            _upgrade(draft, matrix, service, wave, "forward")
            done.append((service, wave))
            left -= 1
            if attempt == "new-before-expand" and number == 0 and lattice[at].expands:
                _expand(draft, service, restarting=False)
        wanted = (number >= 0 and left < 2) or (mode == "every-state" and state not in returned)
        if done and wanted and mode != "none":
            returned.add(state)
            _back_and_forth(draft, matrix, done, undo=not left)
    if attempt != "contract-early":
        _finish(draft, upgraded(matrix))
    return draft.path()


def _expand(draft: _Draft, service: Service, restarting: bool = True) -> None:
    """The first migration of a service. After it an old replica is restarted, and one is killed."""
    label = f"{service.name} {service.new.name}"
    draft.add(
        "migrate", "forward", f"expand for {label}", [Action("migrate", service.name, service.new.name, 0, "expand")]
    )
    if not restarting:
        return
    draft.add(
        "restart",
        "forward",
        f"restart an old replica of {service.name} after the migration",
        [Action("restart", service.name, service.old.name, 1)],
    )


def _upgrade(draft: _Draft, matrix: Matrix, service: Service, wave: list[int], phase: Phase) -> None:
    what = f"{service.name} {service.old.name} → {service.new.name}"
    which = ", ".join(str(slot) for slot in wave)
    draft.add("replace", phase, f"replace replica {which} of {what}", changes(matrix, service, wave, service.new.name))


def _back_and_forth(draft: _Draft, matrix: Matrix, done: list[tuple[Service, list[int]]], undo: bool) -> None:
    """Roll back to all old from here, latest change first, then return to this state."""
    origin = draft.steps[-1].id
    back = [
        action
        for service, wave in reversed(done)
        for action in changes(matrix, service, list(reversed(wave)), service.old.name)
    ]
    draft.add("roll back", "rollback", f"roll back to all old from the state of {origin}", back)
    # Undo only what was expanded.
    staged = {
        service.name: service
        for service, _ in done
        if undo and service.migrating("undo") and service.migrating("expand")
    }
    if staged:
        undone = [Action("migrate", name, service.new.name, 0, "undo") for name, service in staged.items()]
        draft.add("migrate", "rollback", f"undo the migrations of {', '.join(staged)}", undone)
    expands = [Action("migrate", name, service.new.name, 0, "expand") for name, service in staged.items()]
    forward = [action for service, wave in done for action in changes(matrix, service, wave, service.new.name)]
    draft.add("go forward", "rollback", f"go forward again to the state of {origin}", [*expands, *forward])


def _finish(draft: _Draft, services: list[Service]) -> None:
    for stage, kind in FINAL_STAGES:
        actions = [
            Action("migrate", service.name, service.new.name, 0, stage)
            for service in services
            if service.migrating(stage)
        ]
        if actions:
            names = ", ".join(f"{action.service} {action.version}" for action in actions)
            draft.add(kind, "forward", f"{stage} for {names}", actions)
