"""What a whole run says: the verdict in a sentence, what a rollback does, what was tried again, and upgrade orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verifier.checks.verdict import ROLLBACK, Judgement, StepVerdict, Violation
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


def going_back(judgement: Judgement) -> str:
    """What a rollback does, in one or two sentences; "" if nothing was rolled back.

    A state after a rollback may show a new violation, or one from before the rollback. A violation that only live
    traffic sees there, while replicas are being replaced, counts as undone by the rollback.
    """
    after = [step for step in judgement.steps if step.phase == "rollback"]
    if not after:
        return ""
    own = [entry for entry in words.added(judgement) if entry.attribution == "rollback" or entry.guarantee == ROLLBACK]
    names = {name for entry in own for name in entry.steps}
    back = [step for step in after if step.kind != "go forward"]
    worse = [step for step in back if step.id in names]
    again = [step.id for step in after if step.kind == "go forward" and step.id in names]
    left = [step.id for step in back if step.verdict == "fail" and step not in worse]
    passing = [name for name in left if _only_passing(judgement, name)]
    still = [name for name in left if name not in passing]
    said = []
    if worse:
        said.append(_no_return(judgement, own, worse, len(back)))
    if still:
        said.append(f"Rolling back does not undo the damage: {words.listed(still, 4)} still {_shows(still)} it.")
    elif passing and not worse:
        said.append(
            f"Rolling back undoes it: {words.listed(passing, 4)} {_shows(passing)} it "
            "only while replicas are being replaced."
        )
    if again:
        said.append(f"Going forward again after a rollback is not safe: see {words.listed(again, 4)}.")
    unseen = [step.id for step in after if step.verdict == "unknown"]
    if not said and unseen:
        return f"Whether rolling back is safe is unknown: {words.listed(unseen, 4)} could not be verified."
    return " ".join(said) or f"Rolling back was safe in {words.counted(len(after), 'step')} after a rollback."


def _only_passing(judgement: Judgement, step: str) -> bool:
    """Whether all violations that the deployment adds in a step end once its replicas are replaced."""
    here = [violation for violation in words.added(judgement) if step in violation.steps]
    return bool(here) and all(step in violation.passing for violation in here)


def _shows(steps: Sequence[str]) -> str:
    return "shows" if len(steps) == 1 else "show"


def _no_return(judgement: Judgement, own: Sequence[Violation], worse: Sequence[StepVerdict], tried: int) -> str:
    said = f"{len(worse)} of {words.counted(tried, 'rollback step')} violated a guarantee, first {worse[0].id}"
    causes = {entry.cause for entry in own if worse[0].id in entry.steps} - {""}
    last = _first_forward(judgement, causes) or _last_forward(judgement, worse[0])
    if last is None:
        return f"Rolling back is not safe: {said}."
    return f"Point of no return: {last.id} ({last.description}). Rolling back is not safe after it: {said}."


def _first_forward(judgement: Judgement, causes: set[str]) -> StepVerdict | None:
    """The first forward step that shows one of the causes: what a rollback does not undo was done there."""
    names = {name for entry in words.added(judgement) if entry.cause in causes for name in entry.steps}
    return next((step for step in judgement.steps if step.phase == "forward" and step.id in names), None)


def _last_forward(judgement: Judgement, step: StepVerdict) -> StepVerdict | None:
    """The forward step that this rollback step undoes."""
    position = judgement.steps.index(step)
    before = (
        entry for entry in judgement.steps[:position][::-1] if entry.path == step.path and entry.phase == "forward"
    )
    return next(before, None)


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
