"""A plan that is given as a file, in the place of the one that the matrix and the seed make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from verifier.errors import BadInput, Problem
from verifier.history.store import read_value
from verifier.plan.model import Plan
from verifier.rehearsal.prepare import Prepared


def with_plan(prepared: Sequence[Prepared], file: Path) -> tuple[Prepared, ...]:
    """The one pair of a matrix with the plan of a file, as `plan --format json` and `shrink` write it.

    Raises BadInput if the plan is not for this matrix: it names a version or a session that the matrix does not have.
    """
    if len(prepared) != 1:
        raise BadInput.one(file, f"is a plan of one pair of versions, and the matrix has {len(prepared)}")
    plan: Plan = read_value(file, Plan)
    if problems := sorted(set(_problems(prepared[0], plan, file))):
        raise BadInput(problems)
    return (replace(prepared[0], plan=plan),)


def _problems(prepared: Prepared, plan: Plan, file: Path) -> Iterator[Problem]:
    versions = {
        (service.name, version.name) for service in prepared.matrix.services for version in service.all_versions
    }
    if not any(path.steps for path in plan.paths):
        yield Problem(str(file), 0, "paths", "has no step")
    for step in plan.steps:
        for action in step.actions:
            if (action.service, action.version) not in versions:
                yield Problem(str(file), 0, step.id, f"the matrix has no {action.service} {action.version}")
        for replay in step.replays:
            script = prepared.replay_scripts.get(replay.session)
            if script is None:
                yield Problem(str(file), 0, step.id, f"the matrix has no recorded session {replay.session!r}")
            elif len(replay.route) != len(script.script.steps):
                count = len(script.script.steps)
                yield Problem(
                    str(file), 0, step.id, f"{replay.session!r} has {count} exchanges, and {replay.id} routes another"
                )
