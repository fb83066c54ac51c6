"""Invariants: SQL of the matrix that must return no rows. Each row is a counterexample.

A query over the history names the step or the operation of each row, in a column `step` or `operation`. A query over a
store was asked at the end of each step, once nothing was open and its rows had stopped changing
(`rehearsal/invariants.py`).
The data of a path lives on, so a row counts in the first step that shows it. It is linked to the requests that hold its
values; these say which operation and which fault it belongs to, so that controls and confirmation count it like any
other finding.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from verifier.checks.context import Context
from verifier.checks.guarantee import Guarantee
from verifier.checks.verdict import CheckResult, Finding
from verifier.history.model import Operation, Step
from verifier.history.outcome import SAFE
from verifier.matrix.model import Invariant
from verifier.plan.model import Plan
from verifier.printable import abridged, printable

NAME = "invariant"
MOST_ROWS = 200  # of one invariant in one step that are findings
_TOKEN = re.compile(rb"[A-Za-z0-9_.@-]{4,}")
_SENT = ("replay", "live", "inner", "partner", "proof")


def check(context: Context, plan: Plan) -> CheckResult:
    """Every row of an invariant, in the first step of its path that shows it."""
    result = CheckResult(NAME)
    history = [invariant for invariant in plan.invariants if not invariant.store]
    if history:
        _of_history(context, history, result)
    _of_stores(context, plan, result)
    return result


def _of_history(context: Context, invariants: list[Invariant], result: CheckResult) -> None:
    from verifier.query.database import Database  # late: it needs an extra
    from verifier.query.rows import tables
    from verifier.query.schema import HISTORY

    for judged in context.history.steps:
        result.steps[judged.id] += 1
    with Database(tables(context.history), HISTORY) as database:
        for invariant in invariants:
            found = database.query(invariant.sql)
            for values in found.rows:
                row = dict(zip(found.columns, values, strict=True))
                operation = context.by_id.get(str(row.get("operation")))
                step = context.steps.get(str(row.get("step") or (operation.step if operation else "")))
                if step is None:
                    raise ValueError(f"{invariant.name} returned a row with no step or operation of the run: {row}")
                evidence = [operation] if operation is not None else []
                result.findings.append(_finding(context, invariant, step, _shown(row), evidence))


def _of_stores(context: Context, plan: Plan, result: CheckResult) -> None:
    by_name = {invariant.name: invariant for invariant in plan.invariants}
    seen: set[tuple[str, str, str]] = set()
    texts: dict[str, _Texts] = {}
    for found in context.history.store_rows:
        invariant, step = by_name.get(found.invariant), context.steps.get(found.step)
        if invariant is None or step is None or found.error or not found.quiet:
            continue
        result.steps[step.id] += 1
        for row in found.rows[:MOST_ROWS]:
            if (step.path, invariant.name, row) in seen:
                continue
            seen.add((step.path, invariant.name, row))
            if step.path not in texts:
                texts[step.path] = _Texts(context, step.path)
            evidence = texts[step.path].about(row, step)
            result.findings.append(_finding(context, invariant, step, row, evidence))


class _Texts:
    """The requests of one path by the words that they hold."""

    def __init__(self, context: Context, path: str) -> None:
        self._order = {step.id: at for at, step in enumerate(context.history.steps)}
        self._holding: dict[bytes, list[Operation]] = defaultdict(list)
        for entry in context.history.operations:
            if context.path(entry) == path and entry.source in _SENT:
                parts = (
                    entry.request.target.encode(),
                    entry.request.body,
                    entry.response.body if entry.response else b"",
                )
                for word in {word for part in parts for word in _TOKEN.findall(part)}:
                    self._holding[word].append(entry)

    def about(self, row: str, step: Step) -> list[Operation]:
        """The first and the last write up to a step that hold the most particular value of a row."""
        words = {word for value in json.loads(row).values() for word in _TOKEN.findall(str(value).encode())}
        until = self._order[step.id]
        found = []
        for word in words:
            holding = [entry for entry in self._holding.get(word, ()) if self._order.get(entry.step, 0) <= until]
            writes = [entry for entry in holding if entry.request.method not in SAFE] or holding
            if writes:
                found.append(sorted(writes, key=lambda entry: (entry.started, entry.id)))
        if not found:
            return []
        fewest = min(found, key=lambda writes: (len(writes), writes[0].id))
        return fewest if len(fewest) < 2 else [fewest[0], fewest[-1]]


def _finding(context: Context, invariant: Invariant, step: Step, row: str, evidence: Iterable[Operation]) -> Finding:
    named = list(evidence)
    asked = next(
        (entry for entry in named if entry.source in ("replay", "live", "proof")), named[-1] if named else None
    )
    service = asked.service if asked is not None else _changed(context)
    served = {entry.version for entry in named if entry.service == service}
    live = {entry.version for entry in step.state if entry.service == service and entry.count}
    return Finding(
        guarantee=NAME,
        service=service,
        operation=asked.name if asked is not None else "",
        step=step.id,
        versions=context.versions(service, served or live),
        message=f"{invariant.name} returned {abridged(printable(row), 300)}",
        experience=invariant.says or f"data that {invariant.name} forbids",
        evidence=tuple(entry.id for entry in named),
        detail=invariant.name,
        family=context.family(named[-1]) if named else "",
    )


def _changed(context: Context) -> str:
    services = context.history.run.services
    return next((entry.name for entry in services if entry.old != entry.new), services[0].name)


def _shown(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)


def unknowns(context: Context, plan: Plan) -> Iterator[str]:
    """Steps at whose end a store could not be asked, or never came to rest."""
    planned = [invariant for invariant in plan.invariants if invariant.store]
    asked = {(found.invariant, found.step): found for found in context.history.store_rows}
    for invariant in planned:
        for step in context.history.steps:
            found = asked.get((invariant.name, step.id))
            if step.error or step.confirms or (found is not None and not found.error and found.quiet):
                continue
            why = "it was not asked" if found is None else found.error or "work was still under way"
            yield f"invariant {invariant.name} was not verified at the end of {step.id}: {why}"
            break


INVARIANT = Guarantee(NAME, head="invar", severity=88, check=check, unknowns=unknowns)
