"""What a rollback does, and the point of no return of each path: after it none is safe, or none was tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.checks.verdict import ROLLBACK, Judgement, StepVerdict, Violation
from verifier.report import phrasing as words


@dataclass(frozen=True, slots=True)
class PointOfNoReturn:
    """`step` is the step of the path after which rolling back is not safe, or is not known to be; "" if there is none.

    `seen` says whether a rollback after it violated a guarantee.
    """

    path: str
    step: str
    description: str
    seen: bool
    reason: str

    def __str__(self) -> str:
        where = f"{self.step} ({self.description})" if self.step else "none"
        return f"{self.path}: {where}. {self.reason}"


def points(judgement: Judgement) -> tuple[PointOfNoReturn, ...]:
    """The point of no return of every rollout, in order; a path of crashes is none."""
    crashing = {step.path for step in judgement.steps if step.kind == "crash"}
    paths = dict.fromkeys(
        step.path for step in judgement.steps if step.phase == "forward" and step.path not in crashing
    )
    return tuple(_point(judgement, [step for step in judgement.steps if step.path == path]) for path in paths)


def _point(judgement: Judgement, steps: Sequence[StepVerdict]) -> PointOfNoReturn:
    own = _own(judgement)
    back = [step for step in steps if step.phase == "rollback" and step.kind != "go forward"]
    for worse in back:
        here = [entry for entry in own if worse.id in entry.steps]
        if here:
            last = _damaging(judgement, own, worse) or steps[0]
            cause = here[0].cause or f"{here[0].guarantee} · {words.subject(here[0])}"
            return PointOfNoReturn(worse.path, last.id, last.description, True, f"After it {worse.id} shows: {cause}.")
    last_tried = steps.index(back[-1]) if back else 0
    for step in steps[last_tried + 1 :]:
        if step.phase == "forward" and step.kind in ("migrate", "finalize", "replace"):
            why = "this migration comes last" if back and step.kind != "replace" else "the rollout asks for none here"
            return PointOfNoReturn(
                step.path, step.id, step.description, False, f"No rollback was tried after it: {why}."
            )
    unseen = [step.id for step in back if step.verdict == "unknown"]
    reason = f"Every state was left by a rollback, {len(back)} in all."
    still = [step.id for step in back if step.verdict == "fail" and not _only_passing(judgement, step.id)]
    if still:
        reason = f"Rolling back adds no damage, and does not undo what was done before: see {words.listed(still, 4)}."
    if unseen:
        reason = f"Whether rolling back is safe is unknown: {words.listed(unseen, 4)} could not be verified."
    return PointOfNoReturn(steps[0].path, "", "", False, reason)


def _own(judgement: Judgement) -> list[Violation]:
    """The violations that are about rolling back."""
    return [entry for entry in words.added(judgement) if entry.attribution == "rollback" or entry.guarantee == ROLLBACK]


def going_back(judgement: Judgement) -> str:
    """What a rollback does, in one or two sentences; "" if nothing was rolled back.

    A state after a rollback may show a new violation, or one from before the rollback. A violation that only live
    traffic sees there, while replicas are being replaced, counts as undone by the rollback.
    """
    after = [step for step in judgement.steps if step.phase == "rollback"]
    if not after:
        return ""
    own = _own(judgement)
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
    last = _damaging(judgement, own, worse[0])
    if last is None:
        return f"Rolling back is not safe: {said}."
    return f"Point of no return: {last.id} ({last.description}). Rolling back is not safe after it: {said}."


def _damaging(judgement: Judgement, own: Sequence[Violation], worse: StepVerdict) -> StepVerdict | None:
    """The step that a rollback, of which `worse` is the first bad step, does not undo."""
    causes = {entry.cause for entry in own if worse.id in entry.steps} - {""}
    return _first_forward(judgement, causes) or _last_forward(judgement, worse)


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
