"""What a step of the rollout breaks: a replica does not start, a migration fails, a migration breaks old code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from verifier.checks.causes import broken
from verifier.checks.evidence import Evidence, Failure, Link
from verifier.checks.verdict import FindingKind
from verifier.history.model import Step


@dataclass(frozen=True, slots=True)
class _Failed:
    """A step that failed: `cause` says what failed in it."""

    position: int
    step: str
    service: str
    cause: str


def failed_steps(evidence: Evidence) -> Iterator[Link]:
    """What shows in a step whose start or migration failed, and of the same service in the later steps of that path.

    Compares the step of each finding with the steps of failed starts and migrations. After such a step the system is in
    a state that the plan does not have. It can be wrong where such a path also shows a defect that no other path shows.
    """
    failed: dict[str, list[_Failed]] = defaultdict(list)
    for event in evidence.context.history.replicas:
        step = evidence.context.steps.get(event.step)
        if step is not None and event.what in ("never-ready", "command-failed"):
            failed[step.path].append(_Failed(evidence.position[step.id], step.id, event.service, broken(event)))
    for number, entry in enumerate(evidence.found):
        causes: set[str] | None = None
        for failure, finding in zip(evidence.failures[number], entry.findings, strict=True):
            step = evidence.context.steps.get(finding.step)
            services = {finding.service, failure.service}
            here = {
                item.cause
                for item in (failed.get(step.path, ()) if step is not None else ())
                if item.step == finding.step
                or (item.position < evidence.position[finding.step] and item.service in services)
            }
            causes = here if causes is None else causes & here
        if causes:
            own = entry.violation.cause
            cause = own if own in causes else min(causes)
            yield Link(number, ("failed step", cause), cause, evidence.kind(number) is FindingKind.REPLICA)


def migrations(evidence: Evidence) -> Iterator[Link]:
    """What old code does wrong on a migrated store, with the migration that broke it.

    The violations that steps show in which nothing but the migration happened name the migration, and the version
    that it breaks. Of what later steps show, failed requests to the same version on the same store belong to it. An
    operation that this version always answered well on the migrated store, while no new replica ran, is excepted: the
    migration alone does not break that one.
    """
    breaks, victims = _broken_by_migrations(evidence)
    if not breaks:
        return
    well = _answered_well(evidence, breaks)
    for number, entry in enumerate(evidence.found):
        if entry.violation.attribution not in ("migration", "mixed", "rollback"):
            continue
        names = {
            breaks.get((failure.service, failure.version, stage))
            for failure in evidence.failures[number]
            for stage in [_newest(evidence, failure, breaks)]
        }
        name = names.pop() if len(names) == 1 else None
        follows = entry.violation.attribution == "migration" or all(
            failure.failed and (failure.service, failure.version, failure.operation) not in well
            for failure in evidence.failures[number]
        )
        if name and follows:
            cause = f"{name} breaks {' and '.join(victims[name])}"
            yield Link(number, ("migration", name), cause, entry.violation.attribution == "migration")


def _broken_by_migrations(
    evidence: Evidence,
) -> tuple[dict[tuple[str, str, str], str], dict[str, list[str]]]:
    """By service, version and stage: the name of the migration that breaks it; and by name what it breaks."""
    found: dict[tuple[str, str, str], str] = {}
    victims: dict[str, list[str]] = {}
    for number, entry in enumerate(evidence.found):
        if entry.violation.attribution != "migration":
            continue
        for failure in evidence.failures[number]:
            applied = _applied(evidence.context.steps.get(failure.step))
            key = (failure.service, failure.version, applied)
            if applied and evidence.cells.get(failure.step) == "migration" and key not in found:
                found[key] = _named(applied)
                broken_here = victims.setdefault(found[key], [])
                version = f"{failure.service} {failure.version}"
                if version not in broken_here:
                    broken_here.append(version)
    return found, victims


def _applied(step: Step | None) -> str:
    """The last migration that was applied before or in a step, as `SERVICE VERSION STAGE`; "" if there is none."""
    return step.migrations[-1] if step is not None and step.migrations else ""


def _newest(evidence: Evidence, failure: Failure, breaks: dict[tuple[str, str, str], str]) -> str:
    """The last of the migrations applied where a failure shows that is known to break the version that failed."""
    step = evidence.context.steps.get(failure.step)
    applied = step.migrations[::-1] if step is not None else ()
    return next((name for name in applied if (failure.service, failure.version, name) in breaks), "")


def _named(migration: str) -> str:
    """`SERVICE VERSION STAGE` as `STAGE of SERVICE VERSION`."""
    place, _, stage = migration.rpartition(" ")
    return f"{stage} of {place}"


def _answered_well(evidence: Evidence, breaks: dict[tuple[str, str, str], str]) -> set[tuple[str, str, str]]:
    """The operations, by service and version, that a broken version never failed at on the migrated store alone."""
    well: set[tuple[str, str, str]] = set()
    wrong: set[tuple[str, str, str]] = {
        (failure.service, failure.version, failure.operation)
        for number, entry in enumerate(evidence.found)
        if entry.violation.attribution == "migration"
        for failure in evidence.failures[number]
    }
    broken_versions = {(service, version) for service, version, _ in breaks}
    for group in evidence.context.groups.where(lambda group: not group.failed):
        version = (group.service, group.version)
        if version in broken_versions and evidence.cells.get(group.step) == "migration":
            well.add((*version, group.name))
    return well - wrong
