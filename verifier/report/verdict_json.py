"""`verdict.json`: the stable interface for pipelines. New keys are added at the end; existing keys stay."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from verifier.checks.verdict import Judgement, StepVerdict, Violation
from verifier.history.model import History, Operation, Replicas, Timing
from verifier.plan.model import Count, Coverage, LeftOut, Plan
from verifier.report import counting, defects, phrasing, rolling_back
from verifier.report.defects import Defect
from verifier.report.evidence import Entry, Evidence
from verifier.report.format import Format
from verifier.report.ids import by_violation

SCHEMA = 1


def render(judgement: Judgement, history: History, plan: Plan, timing: Timing) -> str:
    """The verdict as JSON text that ends with a newline; equal values give equal bytes. Times are seconds."""
    evidence, names = Evidence(history), by_violation(judgement)
    shown = [entry for entry in judgement.violations if entry.fails or entry.attribution == "pre-existing"]
    document = {
        "schema": SCHEMA,
        "matrix": plan.matrix,
        "verdict": judgement.verdict,
        "seed": plan.seed,
        "runtime": history.run.runtime,
        "steps": [_step(step) for step in judgement.steps],
        "violations": [_violation(violation, evidence, names[id(violation)]) for violation in shown],
        "coverage": _coverage(judgement.coverage),
        "timing": {
            "total_s": round(timing.total_s, 3),
            "boot_s": round(timing.boot_s, 3),
            "replay_s": round(timing.replay_s, 3),
            "judge_s": round(timing.judge_s, 3),
        },
        "unknowns": list(judgement.unknowns),
        "tool": plan.tool,
        "counts": _counts(history),
        "confirmation": [_step(step) for step in judgement.confirmation],
        "unconfirmed": [_violation(entry, evidence, names[id(entry)]) for entry in phrasing.unconfirmed(judgement)],
        "tolerated": [asdict(entry) for entry in judgement.tolerated],
        "causes": [_defect(defect, shown) for defect in defects.added(judgement)],
        "unused": list(judgement.unused),
        "points_of_no_return": [asdict(point) for point in rolling_back.points(judgement)],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _step(step: StepVerdict) -> dict[str, Any]:
    return {
        "id": step.id,
        "kind": step.kind,
        "state": _state(step.state),
        "verdict": step.verdict,
        "path": step.path,
        "phase": step.phase,
        "description": step.description,
        "guarantees": {name: verdict for name, verdict in step.guarantees if verdict},
        "error": step.error,
    }


def _state(state: tuple[Replicas, ...]) -> dict[str, dict[str, int]]:
    """Replicas by service and version."""
    found: dict[str, dict[str, int]] = {}
    for entry in state:
        versions = found.setdefault(entry.service, {})
        versions[entry.version] = versions.get(entry.version, 0) + entry.count
    return found


def _violation(violation: Violation, evidence: Evidence, name: str) -> dict[str, Any]:
    return {
        "guarantee": violation.guarantee,
        "attribution": violation.attribution,
        "service": violation.service,
        "operation": violation.operation,
        "step": violation.step,
        "versions": list(violation.versions),
        "message": violation.message,
        "experience": violation.experience,
        "evidence": [_entry(entry) for entry in evidence.entries(violation.evidence, violation.step)],
        "reproduce": violation.reproduce,
        "steps": list(violation.steps),
        "count": violation.count,
        "cause": violation.cause,
        "rate": violation.rate,
        "confirmed": violation.confirmed,
        "workers": _state(violation.workers),
        "explanation": phrasing.explanation(violation),
        "reason": violation.reason,
        "id": name,
    }


def _defect(defect: Defect, shown: list[Violation]) -> dict[str, Any]:
    """A defect with its violations, as positions in the list `violations` of the document."""
    position = {id(violation): number for number, violation in enumerate(shown)}
    violation = defect.shown
    return {
        "cause": defect.title,
        "guarantee": violation.guarantee,
        "attribution": violation.attribution,
        "service": violation.service,
        "operation": violation.operation,
        "step": violation.first,
        "count": defect.count,
        "reason": violation.reason,
        "violations": [position[id(entry)] for entry in defect.every],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    """One piece of evidence. A replica event has no request and no status; its outcome is the kind of the event."""
    if isinstance(entry, Operation):
        return {
            "id": entry.id,
            "request": f"{entry.request.method} {entry.request.target}",
            "version": entry.version,
            "outcome": entry.outcome,
            "status": entry.response.status if entry.response else None,
            "step": entry.step,
        }
    return {
        "id": entry.replica,
        "request": "",
        "version": entry.version,
        "outcome": entry.what,
        "status": None,
        "step": entry.step,
    }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return {
        "states": _count(coverage.states),
        "transitions": _count(coverage.transitions),
        "routes": _count(coverage.routes),
        "faults": _count(coverage.faults),
        "left_out": [_left_out(item) for item in coverage.left_out],
    }


def _left_out(item: LeftOut) -> dict[str, Any]:
    found = {"what": item.what, "why": item.why, "count": item.count}
    return {**found, "total": item.total} if item.total else found


def _counts(history: History) -> dict[str, Any]:
    """Requests and responses, in total and by session."""
    sessions = counting.count(history)
    every = asdict(counting.total(sessions))
    del every["session"]
    return {**every, "sessions": [asdict(entry) for entry in sessions]}


def _count(count: Count) -> dict[str, int]:
    return {"covered": count.covered, "total": count.total}


JSON = Format("json", render, "verdict.json")
