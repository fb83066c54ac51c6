"""Which code met whose data in a step: the cell of a step, under the six names of attribution.

| cell           | code        | data                                                       |
|----------------|-------------|------------------------------------------------------------|
| `pre-existing` | old         | its own; no migration yet                                  |
| `new-version`  | new         | its own, on fresh stores                                   |
| `migration`    | old         | migrated, before any new replica                           |
| `upgrade`      | new         | made by old, and migrated; no mixture on this path so far  |
| `mixed`        | old and new | shared; or new alone on data that a mixture has written    |
| `rollback`     | old         | written by new                                             |

The cell follows from what ran, not from the name of a strategy: under `recreate` no step is `mixed`.
"""

from __future__ import annotations

from collections.abc import Iterable

from verifier.checks.context import Context, as_control
from verifier.checks.verdict import Attribution, Finding, FindingKind
from verifier.history.model import History, ServiceInfo, Step

CONTROLS: dict[str, Attribution] = {
    "control-old": "pre-existing",
    "control-new": "new-version",
    "control-upgrade": "upgrade",
}


def cells(history: History) -> dict[str, Attribution]:
    """The cell of every step, by its id. Steps of one path must stand in the order in which they ran."""
    changed = {entry.name: entry for entry in history.run.services if entry.old != entry.new}
    before: dict[str, set[str]] = {}  # by path: the cells of its steps so far
    found: dict[str, Attribution] = {}
    for step in history.steps:
        earlier = before.setdefault(step.path, set())
        cell = CONTROLS.get(step.phase) or _in_rollout(step, changed, earlier)
        found[step.id] = cell
        earlier.add(cell)
    return found


def _in_rollout(step: Step, changed: dict[str, ServiceInfo], earlier: set[str]) -> Attribution:
    old, new = _alive(step, changed.values())
    if old and new:
        return "mixed"
    if new:
        return "mixed" if "mixed" in earlier else "upgrade"
    if step.kind == "start":
        return "pre-existing"  # a rollout starts as a control does
    if earlier & {"mixed", "upgrade"} or step.phase == "rollback":
        return "rollback"
    return "migration" if step.migrations else "pre-existing"


def _alive(step: Step, changed: Iterable[ServiceInfo]) -> tuple[bool, bool]:
    """Whether an old replica, and whether a new one, of a service that changes runs in a step."""
    services = {entry.name: entry for entry in changed}
    running = [(services[entry.service], entry.version) for entry in step.state if entry.service in services]
    old = any(version == service.old for service, version in running)
    return old, any(version != service.old for service, version in running)


def is_live(context: Context, finding: Finding) -> bool:
    """Whether live traffic alone shows it: that is sent while a step changes replicas, and ends with the change."""
    named = [context.by_id[name] for name in finding.evidence if name in context.by_id]
    return bool(named) and all(operation.source == "live" for operation in named)


def is_replaced(context: Context, finding: Finding) -> bool:
    """Whether a replica shows it that a rollout replaced in this step: it met those that came."""
    step = context.steps.get(finding.step)
    return finding.kind is FindingKind.REPLICA and step is not None and as_control(step) is None
