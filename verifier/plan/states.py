"""Paths through the states of a rollout: controls, migrations, upgrades, rollbacks, and going forward again.

The steps have no replays yet; the planner adds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, permutations

from verifier.history.model import Phase, Replicas
from verifier.matrix.model import Matrix, Service
from verifier.plan.model import Action, Path, PathKind, PlannedStep

MOST_ORDERS = 6


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


def paths(matrix: Matrix) -> tuple[Path, ...]:
    """Every path of a matrix: the controls, then one rollout for each requested upgrade order."""
    found = [_control(matrix, "control-old-1", "control-old"), _control(matrix, "control-old-2", "control-old")]
    found += [_control(matrix, "control-new", "control-new"), _upgrade_control(matrix)]
    wanted = orders(matrix)
    for order in wanted:
        name = "rollout" if len(wanted) == 1 else "rollout-" + "_".join(order)  # service names contain no underscore
        found.append(_rollout(matrix, name, order))
    return tuple(found)


def orders(matrix: Matrix) -> tuple[tuple[str, ...], ...]:
    """The planned upgrade orders, at most MOST_ORDERS, in a fixed sequence.

    Services with one version are not upgraded, so their position does not matter.
    """
    if matrix.rollout.every_order:
        return tuple(islice(permutations(service.name for service in upgraded(matrix)), MOST_ORDERS))
    return (matrix.rollout.order,)


def upgraded(matrix: Matrix) -> list[Service]:
    """The services with more than one version, in the order of the rollout."""
    services = (matrix.service(name) for name in matrix.rollout.order)
    return [service for service in services if service.new is not service.old]


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
    return draft.path()


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


def _rollout(matrix: Matrix, name: str, order: tuple[str, ...]) -> Path:
    draft = _Draft(matrix, name, "rollout")
    draft.add("start", "forward", "start every service, all old, on fresh stores", _start_all(matrix, False), False)
    services = [service for entry in order if (service := matrix.service(entry)).new is not service.old]
    waves = [(service, wave) for service in services for wave in _waves(matrix, service)]
    done: list[tuple[Service, list[int]]] = []
    for position, (service, wave) in enumerate(waves):
        if not any(entry is service for entry, _ in done):
            _expand(draft, service)
        _upgrade(draft, matrix, service, wave, "forward")
        done.append((service, wave))
        last = position == len(waves) - 1
        mode = matrix.rollout.rollback
        if mode == "every-state" or (mode == "ends" and position >= len(waves) - 2):
            _back_and_forth(draft, matrix, done, undo=last)
    _finish(draft, services)
    return draft.path()


def _waves(matrix: Matrix, service: Service) -> list[list[int]]:
    """The slots that are replaced together: each alone, one and then the rest, or all at once."""
    slots = list(range(1, service.replicas + 1))
    if matrix.rollout.strategy == "rolling":
        return [[slot] for slot in slots]
    if matrix.rollout.strategy == "canary" and len(slots) > 1:
        return [slots[:1], slots[1:]]
    return [slots]


def _expand(draft: _Draft, service: Service) -> None:
    if not service.migrating("expand"):
        return
    label = f"{service.name} {service.new.name}"
    draft.add(
        "migrate", "forward", f"expand for {label}", [Action("migrate", service.name, service.new.name, 0, "expand")]
    )
    draft.add(
        "restart",
        "forward",
        f"restart an old replica of {service.name} after the migration",
        [Action("restart", service.name, service.old.name, 1)],
    )


def _upgrade(draft: _Draft, matrix: Matrix, service: Service, wave: list[int], phase: Phase) -> None:
    what = f"{service.name} {service.old.name} → {service.new.name}"
    which = ", ".join(str(slot) for slot in wave)
    draft.add("replace", phase, f"replace replica {which} of {what}", _changes(matrix, service, wave, service.new.name))


def _changes(matrix: Matrix, service: Service, slots: Sequence[int], version: str) -> list[Action]:
    """Actions by strategy: replace one by one, start all new first (blue-green), or stop all old first (recreate)."""
    leaving = service.old.name if version == service.new.name else service.new.name
    stops = [Action("stop", service.name, leaving, slot) for slot in slots]
    starts = [Action("start", service.name, version, slot) for slot in slots]
    if matrix.rollout.strategy == "recreate":
        return [*stops, *starts]
    if matrix.rollout.strategy == "blue-green":
        return [*starts, *stops]
    return [Action("replace", service.name, version, slot) for slot in slots]


def _back_and_forth(draft: _Draft, matrix: Matrix, done: list[tuple[Service, list[int]]], undo: bool) -> None:
    """Roll back to all old from here, latest change first, then return to this state."""
    origin = draft.steps[-1].id
    back = [
        action
        for service, wave in reversed(done)
        for action in _changes(matrix, service, list(reversed(wave)), service.old.name)
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
    forward = [action for service, wave in done for action in _changes(matrix, service, wave, service.new.name)]
    draft.add("go forward", "rollback", f"go forward again to the state of {origin}", [*expands, *forward])


def _finish(draft: _Draft, services: list[Service]) -> None:
    for stage, kind in (("migrate", "migrate"), ("contract", "finalize")):
        actions = [
            Action("migrate", service.name, service.new.name, 0, stage)
            for service in services
            if service.migrating(stage)
        ]
        if actions:
            names = ", ".join(f"{action.service} {action.version}" for action in actions)
            draft.add(kind, "forward", f"{stage} for {names}", actions)
