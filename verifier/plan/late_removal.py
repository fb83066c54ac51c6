"""Late removal: replicas that are told to end while the load balancer still sends requests to them, as on Kubernetes.

Every control ends one replica of each service in this way, besides those that it ends in order. A rollout does so at
the first end of a replica of each version. So both ways to end have a control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from verifier.matrix.model import Matrix
from verifier.plan.faults import LATE_REMOVAL
from verifier.plan.model import Action, Path, PlannedStep, SessionShape


def with_late_removal(matrix: Matrix, paths: Sequence[Path], sessions: Sequence[SessionShape]) -> tuple[Path, ...]:
    """The paths with the actions marked that end a replica in this way: of services that clients call themselves.

    A service whose load balancer is never late (0 seconds) ends all of its replicas in order.
    """
    if LATE_REMOVAL not in matrix.faults:
        return tuple(paths)
    called = {exchange.service for session in sessions for exchange in session.exchanges}
    called = {service.name for service in matrix.services if service.name in called and service.stop.late_removal}
    return tuple(
        _rollout(matrix, path, called)
        if path.kind == "rollout"
        else replace(path, steps=tuple(_restarts(step, called) for step in path.steps))
        for path in paths
    )


def _restarts(step: PlannedStep, called: set[str]) -> PlannedStep:
    """In a control the last restart of a service, or a second one where it has but one replica."""
    if not step.live:
        return step
    actions = list(step.actions)
    for service in dict.fromkeys(action.service for action in step.actions if action.service in called):
        restarts = [at for at, action in enumerate(actions) if action.service == service and action.kind == "restart"]
        if not restarts:
            continue
        late = replace(actions[restarts[-1]], late_removal=True)
        if len(restarts) == 1:
            actions.append(late)
        else:
            actions[restarts[-1]] = late
    return replace(step, actions=tuple(actions))


def _rollout(matrix: Matrix, path: Path, called: set[str]) -> Path:
    seen: set[tuple[str, str]] = set()
    steps = []
    for step in path.steps:
        actions = []
        for action in step.actions:
            ended = (action.service, _ended(matrix, action))
            if step.live and all(ended) and action.service in called and ended not in seen:
                seen.add(ended)
                action = replace(action, late_removal=True)
            actions.append(action)
        steps.append(replace(step, actions=tuple(actions)))
    return replace(path, steps=tuple(steps))


def _ended(matrix: Matrix, action: Action) -> str:
    """The version of the replica that an action ends, "" if it ends none."""
    if action.kind in ("stop", "restart"):
        return action.version
    if action.kind != "replace":
        return ""
    service = matrix.service(action.service)
    return service.old.name if action.version == service.new.name else service.new.name
