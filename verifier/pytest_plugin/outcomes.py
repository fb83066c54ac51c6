"""What a judged rehearsal means for one item: pure functions of results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from verifier.checks.registered import GUARANTEES
from verifier.checks.verdict import StepVerdict, Violation
from verifier.printable import one_line, printable
from verifier.pytest_plugin.result import PairResult, Result

# By the name that an item has: one word, as `-k` and node ids need it.
NAMES = {entry.name.replace(" ", "-"): entry.name for entry in GUARANTEES}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`shown` is the violation whose story is to be told; without one, `text` says all that is known."""

    kind: Literal["pass", "fail", "unknown", "skip"]
    text: str = ""
    shown: Violation | None = None


def of_guarantee(pair: PairResult, guarantee: str, step: str | None) -> Outcome:
    """One guarantee in one step, or in all steps if `step` is None."""
    if pair.judgement is None:
        return Outcome("unknown", pair.reason)
    found = [
        entry
        for entry in pair.judgement.violations
        if entry.guarantee == guarantee and entry.fails and (step is None or step in entry.steps)
    ]
    if found:
        return Outcome("fail", one_line(found[0].message), found[0])
    states = [
        dict(entry.guarantees).get(guarantee, "") for entry in pair.judgement.steps if step is None or entry.id == step
    ]
    if "unknown" in states:
        return Outcome("unknown", f"{guarantee} could not be judged: {_why(pair)}")
    if not any(states):
        return Outcome("skip", f"{guarantee} was not exercised {f'in {step}' if step else 'in any step'}")
    return Outcome("pass")


def of_step(pair: PairResult, step: str) -> Outcome:
    """Whether a step was carried out and everything in it could be judged."""
    if pair.judgement is None:
        return Outcome("unknown", pair.reason)
    found = next((entry for entry in pair.judgement.steps if entry.id == step), None)
    if found is None:
        return Outcome("unknown", "the step was not reached: the path ended before it")
    if found.verdict == "unknown":
        return Outcome("unknown", _unverified(pair, found))
    return Outcome("pass")


def of_matrix(result: Result) -> Outcome:
    """The verdict of the whole, with the report that `verifier run` prints if it is no pass."""
    if result.verdict == "pass":
        return Outcome("pass")
    told = "\n".join(pair.sentence for pair in result.pairs)
    if result.verdict == "unknown":
        told = "\n".join([told, *(f"  ? {sentence}" for sentence in result.unknowns)])
    return Outcome(result.verdict, printable(told))


def _unverified(pair: PairResult, step: StepVerdict) -> str:
    error = one_line(step.error) or "parts of this step could not be verified"
    return "\n".join([printable(error), *_about(pair, step.id)])


def _about(pair: PairResult, step: str) -> list[str]:
    """The sentences about unknowns that name the step."""
    return [f"  ? {printable(sentence)}" for sentence in pair.unknowns if step in sentence]


def _why(pair: PairResult) -> str:
    errors = [entry.message for entry in pair.judgement.errors] if pair.judgement else []
    return printable("; ".join(errors) or "see the report of the run")
