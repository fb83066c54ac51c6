"""What a run directory says to the gate: for each pair of versions, every mixture and its verdict.

The run is judged again for it, so that an edited report says nothing, and a stored verdict follows from its history.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verifier.checks.verdict import Judgement, StepVerdict, Verdict
from verifier.contracts import document
from verifier.errors import BadInput
from verifier.gate.model import Direction, Evidence, Member, RunVersion, Sides, State
from verifier.history.model import History, ServiceInfo
from verifier.history.store import read_value
from verifier.plan.model import Plan
from verifier.printable import one_line
from verifier.rehearsal.judging import load_and_judge
from verifier.rehearsal.pairs import INDEX, Index, has_pairs
from verifier.rehearsal.run_directory import Inputs, files_of
from verifier.report import defects

AHEAD = 300.0  # seconds that the clock of another machine may be ahead
_WORST: dict[Verdict, int] = {"fail": 0, "unknown": 1, "pass": 2}


def evidence_of(directory: Path, now: float | None = None) -> tuple[Evidence, ...]:
    """The evidence of a run, one for each pair of versions that has a verdict. `now` is Unix time.

    Attempts at a wrong order of migrations are no evidence, because nobody deploys that way. Raises BadInput if there
    is no run or its time lies in the future, and BrokenEnvironment if its environment broke.
    """
    found = tuple(_of_pair(folder) for folder in _pairs(directory))
    if not found:
        raise BadInput.one(directory, "has no pair of versions with a verdict")
    ahead = max(entry.at for entry in found) - (time.time() if now is None else now)
    if ahead > AHEAD:
        raise BadInput.one(directory, f"was run {ahead:.0f} seconds in the future: a clock is wrong")
    return found


def _pairs(directory: Path) -> Iterator[Path]:
    if not has_pairs(directory):
        yield directory
        return
    index: Index = read_value(directory / INDEX, Index)
    yield from (directory / pair.directory for pair in index.pairs if not pair.reason and not pair.attempt)


def _of_pair(directory: Path) -> Evidence:
    judgement, history, plan = load_and_judge(directory)
    run = history.run
    contracts = _contracts(directory)
    members = tuple(_member(service, history, contracts) for service in run.services)
    moved = [member for member in members if member.old.name != member.new.name]
    return Evidence(
        run=_identity(directory),
        pair=", ".join(f"{member.service} {member.old.name} → {member.new.name}" for member in moved),
        matrix=plan.matrix,
        runtime=run.runtime,
        tool=run.tool,
        directory=str(directory),
        at=run.at or (directory / "history" / "run.json").stat().st_mtime,
        verdict=judgement.verdict,
        members=members,
        states=tuple(_states(judgement, history, plan)),
        unknowns=tuple(one_line(sentence) for sentence in judgement.unknowns),
        coverage={
            name: (found.covered, found.total)
            for name in ("states", "transitions", "routes", "faults")
            for found in [getattr(judgement.coverage, name)]
        },
        contracted=_contracted(plan),
    )


def _contracted(plan: Plan) -> tuple[str, ...]:
    """The services with migrations that run when all of their old replicas are gone: "SERVICE VERSION contract"."""
    names = {name for step in plan.steps for name in step.migrations if name.endswith(" contract")}
    return tuple(sorted({name.partition(" ")[0] for name in names}))


def _identity(directory: Path) -> str:
    """A digest of what was planned and when its steps ran, which no other run shares."""
    total = hashlib.sha256()
    for name in ("plan.json", "history/run.json", "history/steps.jsonl"):
        total.update(hashlib.sha256((directory / name).read_bytes()).digest())
    return total.hexdigest()


def _member(service: ServiceInfo, history: History, contracts: dict[tuple[str, str], str]) -> Member:
    def version(name: str) -> RunVersion:
        digests = (digest for entry, of, digest in history.run.images if (entry, of) == (service.name, name))
        return RunVersion(name, tuple(digests), contracts.get((service.name, name), ""))

    return Member(service.name, version(service.old), version(service.new))


def _contracts(directory: Path) -> dict[tuple[str, str], str]:
    """The contracts of versions as digests: the document without its `info`, and all files that belong to it."""
    inputs: Inputs = read_value(directory / "inputs.json", Inputs)
    found = {}
    for kept in inputs.contracts:
        main = (directory / kept.file).resolve()
        texts = [_canonical(document.read(main))]
        texts += sorted(_canonical(document.read(file)) for file in files_of(main) - {main})
        found[kept.service, kept.version] = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return found


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if key != "info"}
    return json.dumps(value, sort_keys=True, default=str)


def _states(judgement: Judgement, history: History, plan: Plan) -> Iterator[State]:
    """Each mixture with its worst verdict. The controls of the old version are none: nothing was deployed there."""
    migrations = {step.id: step.migrations for step in history.steps}
    everywhere = _shown_nowhere(judgement)
    found: dict[tuple[Any, ...], dict[Verdict, list[StepVerdict]]] = {}
    for step, direction, origin in _directed(judgement):
        migrated = tuple(sorted({name.partition(" ")[0] for name in migrations.get(step.id, ())}))
        verdict: Verdict = "fail" if everywhere else _verdict(step, judgement)
        found.setdefault((direction, _sides(step), migrated, origin), {}).setdefault(verdict, []).append(step)
    for (direction, sides, migrated, origin), by_verdict in found.items():
        worst = min(by_verdict, key=lambda verdict: _WORST[verdict])
        steps = tuple(step.id for step in by_verdict[worst])
        causes = tuple(everywhere or _causes(judgement, set(steps))) if worst == "fail" else ()
        yield State(direction, sides, migrated, worst, steps, causes, origin)


def _sides(step: StepVerdict) -> Sides:
    mixture: dict[str, set[str]] = {}
    for entry in step.state:
        if entry.count > 0:
            mixture.setdefault(entry.service, set()).add(entry.version)
    return tuple(sorted((service, tuple(sorted(versions))) for service, versions in mixture.items()))


def _directed(judgement: Judgement) -> Iterator[tuple[StepVerdict, Direction, Sides]]:
    """The steps that say something about going forward, or about going back and from where.

    After a rollback that failed, the data is no longer what the way forward meets: what fails then is no evidence
    against it, and what passes is none for it.
    """
    spoiled: set[str] = set()
    origins: dict[str, Sides] = {}  # by path: the mixture before a rollback
    for step in judgement.steps:
        if step.phase == "control-old" or (step.phase == "control-upgrade" and step.kind == "start"):
            continue
        back = step.phase == "rollback" and step.kind != "go forward"
        if not back:
            origins[step.path] = _sides(step)
            if step.path not in spoiled:
                yield step, "forward", ()
            continue
        if step.verdict == "fail":
            spoiled.add(step.path)
        yield step, "back", origins.get(step.path, ())


def _verdict(step: StepVerdict, judgement: Judgement) -> Verdict:
    """A run that could not verify everything passes in no state, and one that was stopped fails in none."""
    if step.verdict == "fail" and judgement.verdict == "fail":
        return "fail"
    return "pass" if step.verdict == "pass" and not judgement.unknowns else "unknown"


def _shown_nowhere(judgement: Judgement) -> list[str]:
    """What fails the run in no step that is known: then it fails everywhere."""
    known = {step.id for step in judgement.steps}
    if judgement.verdict != "fail":
        return []
    return [
        one_line(f"{defect.title} ({defect.shown.attribution})")
        for defect in defects.added(judgement)
        if not any(known & set(violation.steps) for violation in defect.every)
    ]


def _causes(judgement: Judgement, steps: set[str]) -> Iterator[str]:
    for defect in defects.added(judgement):
        if any(steps & set(violation.steps) for violation in defect.every):
            yield one_line(f"{defect.title} ({defect.shown.attribution})")
