"""The compatibility matrix: pairs of versions of one service, and calls between versions of different services."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from verifier.checks.verdict import Judgement, StepVerdict, Violation
from verifier.history.model import History, ServiceInfo


@dataclass(frozen=True, slots=True)
class VersionPair:
    """Two versions of a service on the same data. `steps` counts the steps with both; `verdict` is "" if there is none.

    Old before new is the way forward, new before old is after a rollback, and a version with itself is a control.
    """

    first: str
    second: str
    steps: int
    verdict: str
    guarantees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceMatrix:
    service: str
    versions: tuple[str, ...]
    rows: tuple[tuple[VersionPair, ...], ...]


@dataclass(frozen=True, slots=True)
class Calls:
    """Inner calls between two versions. `failed`: no response or a 5xx status, including injected faults."""

    caller: str
    callee: str
    count: int
    failed: int


def service_matrices(judgement: Judgement, history: History) -> tuple[ServiceMatrix, ...]:
    return tuple(_matrix(service, judgement) for service in history.run.services)


def _matrix(service: ServiceInfo, judgement: Judgement) -> ServiceMatrix:
    met: dict[tuple[str, str], list[StepVerdict]] = defaultdict(list)
    for step, pair in _met(service, judgement.steps):
        met[pair].append(step)
    rows = tuple(
        tuple(_version_pair(service, (first, second), met[first, second], judgement) for second in service.versions)
        for first in service.versions
    )
    return ServiceMatrix(service.name, service.versions, rows)


def _met(service: ServiceInfo, steps: Iterable[StepVerdict]) -> Iterator[tuple[StepVerdict, tuple[str, str]]]:
    """Every step with each pair of versions that share its data: both ran in this step or earlier in the same path."""
    shared: dict[str, set[str]] = defaultdict(set)
    for step in steps:
        shared[step.path] |= {entry.version for entry in step.state if entry.service == service.name}
        here = [version for version in service.versions if version in shared[step.path]]
        if step.phase.startswith("control"):
            yield from ((step, (version, version)) for version in here)
        for at, older in enumerate(here):
            for newer in here[at + 1 :]:
                yield step, (newer, older) if step.phase == "rollback" else (older, newer)


def _version_pair(
    service: ServiceInfo, pair: tuple[str, str], steps: list[StepVerdict], judgement: Judgement
) -> VersionPair:
    names = {step.id for step in steps}
    found = [
        violation
        for violation in judgement.violations
        if violation.service == service.name and _concerns(violation, pair) and names & set(violation.steps)
    ]
    if not steps:
        verdict = ""
    elif any(violation.fails for violation in found):
        verdict = "fail"
    elif found:
        verdict = "before"
    else:
        verdict = "unknown" if any(step.verdict == "unknown" for step in steps) else "pass"
    return VersionPair(*pair, len(steps), verdict, tuple(dict.fromkeys(violation.guarantee for violation in found)))


def _concerns(violation: Violation, pair: tuple[str, str]) -> bool:
    """Whether a violation belongs to a pair. Defects of one version belong to that version with itself."""
    alone = pair[0] == pair[1]
    if alone != (violation.attribution in ("pre-existing", "new-version")):
        return False
    return set(violation.versions) <= set(pair) if len(violation.versions) < 2 else set(pair) <= set(violation.versions)


def calls(history: History) -> tuple[Calls, ...]:
    """Calls and failed calls by caller and callee, in order of the first call."""
    count: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    for operation in history.operations:
        if operation.source in ("inner", "partner"):
            caller = f"{operation.caller} {operation.caller_version}".strip() or "?"
            version = operation.version or ("(none in rotation)" if operation.source == "inner" else "")
            pair = caller, f"{operation.service} {version}".strip()
            count[pair] += 1
            failed[pair] += operation.response is None or operation.response.status >= 500
    return tuple(Calls(*pair, number, failed[pair]) for pair, number in count.items())
