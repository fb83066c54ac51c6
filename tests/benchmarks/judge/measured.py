"""`python -m tests.benchmarks.judge.measured RUN`: what judging one run costs, as JSON, in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

from tests.peak import peak_megabytes
from verifier.checks.verdict import Judgement, Violation
from verifier.history.model import History, Operation
from verifier.rehearsal.judging import load_and_judge
from verifier.rehearsal.run_directory import stored_timing
from verifier.report.html import render

VIOLATIONS = 1000


def main() -> None:
    run, clock = Path(sys.argv[1]), time.process_time
    began = clock()
    judgement, history, plan = load_and_judge(run)
    judged, peak = clock() - began, peak_megabytes()
    began = clock()
    sorted(history.operations, key=lambda entry: (entry.started, entry.id))
    took = clock() - began
    found = sorted({(entry.guarantee, entry.attribution, entry.service, entry.operation)
                    for entry in judgement.violations})  # fmt: skip
    violated = _violated(judgement, history)
    began = clock()
    page = render(violated, history, plan, stored_timing(run))
    print(
        json.dumps(
            {
                "operations": len(history.operations),
                "judged": judged,
                "sorted": took,
                "peak": peak,
                "says": [judgement.verdict, found],
                "rendered": clock() - began,
                "page": len(page.encode()) / 1e6,
            }
        )
    )


def _violated(judgement: Judgement, history: History) -> Judgement:
    """The judgement with many violations more, as of a version that breaks many operations."""
    read = (entry for entry in history.operations if entry.source == "sweep" and entry.response is not None)
    shown = enumerate(islice(read, VIOLATIONS))
    return replace(judgement, verdict="fail", violations=tuple(_violation(entry, number) for number, entry in shown))


def _violation(entry: Operation, number: int) -> Violation:
    return Violation(
        guarantee="no lost write",
        attribution="mixed",
        service=entry.service,
        operation=f"{entry.name}{number}",
        step=entry.step,
        versions=(entry.version,),
        message=f"note{number} was written as 'a gift', {entry.version} shows '' ({entry.request.target})",
        experience="what was saved reads differently now",
        evidence=(entry.parent, entry.id),
        reproduce="verifier run checkout.yaml --seed 0",
        steps=(entry.step,),
        count=3,
        rate="seen in 3 of 12 tries",
        lasting=True,
    )


if __name__ == "__main__":
    main()
