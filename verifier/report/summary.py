"""What a whole run says: the verdict in a sentence, what a rollback does, what was tried again, and upgrade orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verifier.checks.verdict import Judgement
from verifier.history.model import NOT_COMPLETED, History, Replicas, ServiceInfo
from verifier.plan.model import Plan
from verifier.report import defects
from verifier.report import phrasing as words

MOST_ORDERS = 4  # that are named


def sentence(judgement: Judgement) -> str:
    """The summary of the verdict: how many defects there are, the first and gravest one, and what users would see."""
    broken = defects.added(judgement)
    if not broken:
        return _nothing_added(judgement)
    worst = broken[0]
    names = list(dict.fromkeys(violation.guarantee for violation in words.added(judgement)))
    one = len(broken) == 1
    cause = f"{'Its cause' if one else 'The gravest'}: {worst.shown.cause}. " if worst.shown.cause else ""
    return (
        f"Do not deploy this way. {words.counted(len(broken), 'defect')} {'violates' if one else 'violate'} "
        f"{words.counted(len(names), 'guarantee')} ({', '.join(names)}). {cause}"
        f"{'At worst, users' if len(names) > 1 else 'Users'} would have seen: {worst.gravest.experience} "
        f"(first seen in {worst.shown.first}; {words.explanation(worst.shown)})."
    )


def _nothing_added(judgement: Judgement) -> str:
    old = len(defects.earlier(judgement))
    before = f" {words.counted(old, 'defect')} already existed in the old version." if old else ""
    before += "".join(f" {_sentence(words.left_out(item))}" for item in judgement.coverage.left_out if item.total)
    if judgement.verdict == "unknown":
        items = words.counted(len(judgement.unknowns), "item")
        return f"No defect was found, but {items} could not be verified, so the verdict is not a pass.{before}"
    return f"The rollout broke nothing that was tested in {words.counted(len(judgement.steps), 'step')}.{before}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def not_completed(judgement: Judgement) -> list[str]:
    """A sentence for each step that could not be completed, with the first line of its error."""
    reasons = [(step, step.error.removeprefix(NOT_COMPLETED).strip()) for step in judgement.steps]
    return [
        f"{step.id} ({step.description}) was not completed: {words.shortened(reason.splitlines()[0], 300)}"
        for step, reason in reasons
        if reason
    ]


def confirmed(judgement: Judgement, history: History) -> str:
    """How often what was found was tried again; "" if nothing was."""
    steps = {step.id for step in judgement.confirmation}
    tries = {(entry.step, entry.replay) for entry in history.operations if entry.step in steps and entry.replay}
    if not steps:
        return ""
    return f"Confirmed: tried again {words.counted(len(tries), 'time')} in {words.counted(len(steps), 'step')}."


def orders(plan: Plan, judgement: Judgement, history: History) -> list[str]:
    """Which upgrade orders the contracts allow, or what to change first if none is safe.

    [] if the contracts say nothing. An order that a violation of this run contradicts is not told.
    """
    order = plan.declared.order
    if order is None or not order.known:
        return []
    if order.orders:
        safe = [names for names in order.orders if not _contradicted(names, judgement, history)]
        more = order.count - len(order.orders) + len(safe) - MOST_ORDERS
        told = "; ".join(" → ".join(names) for names in safe[:MOST_ORDERS])
        return [f"Safe upgrade orders: {told}{f' and {more} more' if more > 0 else ''}."] if safe else []
    lines = [f"No upgrade order is safe. Conflicts: {'; '.join(order.in_the_way)}."]
    return lines + [
        f"{number}. {move.kind} {move.service}: {move.what}" for number, move in enumerate(order.sequence, 1)
    ]


def _contradicted(order: Sequence[str], judgement: Judgement, history: History) -> bool:
    """Whether a violation that the deployment adds shows in a state that an upgrade in this order goes through.

    A violation that needs no mixture shows in every order.
    """
    states = {step.id: step.state for step in judgement.steps}
    services = {entry.name: entry for entry in history.run.services}
    return any(
        violation.attribution != "mixed"
        or any(_goes_through(order, states[name], services) for name in violation.steps if name in states)
        for violation in words.added(judgement)
    )


def _goes_through(order: Sequence[str], state: Sequence[Replicas], services: Mapping[str, ServiceInfo]) -> bool:
    """Whether all services before one in the order are new, and all after it old."""
    running: dict[str, set[str]] = {name: set() for name in order}
    for entry in state:
        running.setdefault(entry.service, set()).add(entry.version)
    new = [running[name] <= {services[name].new} for name in order]
    old = [running[name] <= {services[name].old} for name in order]
    return any(all(new[:turn]) and all(old[turn + 1 :]) for turn in range(len(order)))
