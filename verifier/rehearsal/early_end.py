"""Whether a run can be ended early: where the old version answers nothing as recorded, the rest proves nothing.

The evidence is the first step of the first control. Each of its undisturbed replays has to stop before anything was
answered as recorded. It can be wrong where the service needs longer than its readiness says; then it says so itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from verifier.history.model import History, Operation
from verifier.plan.model import Plan, PlannedStep
from verifier.runtime.logs import tail

LINES = 10  # of the log


def is_first(plan: Plan, step: PlannedStep) -> bool:
    """Whether it is the first step of the first control."""
    return bool(plan.paths) and plan.paths[0].kind == "control-old" and plan.paths[0].steps[:1] == (step,)


def why(history: History, plan: Plan, step: PlannedStep, directory: Path) -> str:
    """Why the run ends after this step, with the end of a replica's log beside a 5xx; "" if it goes on."""
    recorded = {session.id: session.exchanges for session in plan.sessions}
    undisturbed = {replay.id: replay.session for replay in step.replays if replay.fault is None}
    sent = [entry for entry in history.operations if entry.step == step.id and entry.replay in undisturbed]
    first: Operation | None = None
    for entry in sent:
        exchanges = recorded.get(undisturbed[entry.replay], ())
        if entry.source not in ("replay", "poll") or entry.index >= len(exchanges):
            continue
        wanted = exchanges[entry.index].recorded
        if not wanted or (entry.response is not None and entry.response.status // 100 == wanted // 100):
            return ""
        first = entry if first is None or _graver(entry, first) else first
    return (
        "\n".join(_told(first, recorded[undisturbed[first.replay]][first.index].recorded, directory)) if first else ""
    )


def _graver(entry: Operation, other: Operation) -> bool:
    return _status(entry) >= 500 > _status(other)


def _status(entry: Operation) -> int:
    return entry.response.status if entry.response is not None else 599


def _told(entry: Operation, wanted: int, directory: Path) -> Iterator[str]:
    came = str(entry.response.status) if entry.response is not None else entry.error or "nothing"
    yield (
        f"the run ended after its first step, because no replay there was answered as recorded: {entry.request.method} "
        f"{entry.request.path} of {entry.service} {entry.version} was answered {came}, and {wanted} is recorded"
    )
    if _status(entry) >= 500 and (lines := tail(directory / "logs" / f"{entry.replica}.log", LINES)):
        yield f"the log of {entry.replica} ends with:"
        yield lines
