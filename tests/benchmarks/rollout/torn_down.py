"""`python -m tests.benchmarks.rollout.torn_down MATRIX OUT`: a rehearsal in which nothing lasts longer than a step.

Paths run one after the other, and each step begins by stopping all replicas and starting as many again. Stores keep
their data, or there would be no path. Nobody sends requests meanwhile, or all of them would fail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from verifier.cli.rehearse import rehearse
from verifier.plan.model import Action, Plan, PlannedStep
from verifier.plan.model import Path as PlanPath
from verifier.rehearsal.prepare import prepare
from verifier.runtime.select import select

Running = tuple[str, int, str]  # service, slot, version


def torn_down(plan: Plan) -> Plan:
    """The plan with every replica stopped and started again before each step but the first of a path."""
    return replace(plan, paths=tuple(replace(path, steps=tuple(_steps(path))) for path in plan.paths))


def _steps(path: PlanPath) -> Iterator[PlannedStep]:
    running: set[Running] = set()
    for step in path.steps:
        everything = sorted(running)
        again = [Action("stop", service, version, slot) for service, slot, version in everything]
        again += [Action("start", service, version, slot) for service, slot, version in everything]
        actions = tuple(replace(action, late_removal=False) for action in (*again, *step.actions))
        yield replace(step, actions=actions, live=False)
        for action in step.actions:
            key = (action.service, action.slot, action.version)
            if action.kind == "replace":
                running = {other for other in running if other[:2] != key[:2]}
            if action.kind in ("start", "replace"):
                running.add(key)
            elif action.kind == "stop":
                running.discard(key)


def main() -> None:
    matrix, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True)
    (prepared,) = prepare(matrix, 0)
    ended = rehearse([replace(prepared, plan=torn_down(prepared.plan))], select("process"), out)
    print(ended.verdict)


if __name__ == "__main__":
    main()
