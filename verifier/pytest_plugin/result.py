"""What a rehearsal gives to a test: the verdict, the violations, the steps and the history, as typed values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.checks.verdict import Judgement, StepVerdict, Verdict, Violation
from verifier.history.model import History
from verifier.rehearsal.pairs import JudgedPair
from verifier.report import defects, summary, text
from verifier.report.phrasing import added, shortened

LONGEST = 230  # characters; pytest shortens what is longer


@dataclass(frozen=True, slots=True)
class PairResult:
    """One pair of versions. Without a verdict of its own, its `judgement` is None and `reason` says why."""

    old: str
    new: str
    directory: Path
    judgement: Judgement | None
    history: History | None
    report: str  # as `verifier run` prints it
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.old} → {self.new}"

    @property
    def verdict(self) -> Verdict:
        """A pair that was not run is unknown."""
        return "unknown" if self.judgement is None else self.judgement.verdict

    @property
    def unknowns(self) -> tuple[str, ...]:
        return (f"{self.name} was not run: {self.reason}",) if self.judgement is None else self.judgement.unknowns

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        return self.unknowns[0] if self.judgement is None else summary.sentence(self.judgement)


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """A judged rehearsal of a matrix, with one entry in `pairs` for each pair of versions."""

    matrix: str
    directory: Path  # the run directory, which holds report.html, verdict.json and junit.xml
    pairs: tuple[PairResult, ...]

    @property
    def verdict(self) -> Verdict:
        """Fail if one pair fails, else unknown if one is unknown."""
        found = {pair.verdict for pair in self.pairs}
        return "fail" if "fail" in found else "unknown" if "unknown" in found else "pass"

    @property
    def passed(self) -> bool:
        """Whether the verdict is pass. An unknown verdict is none."""
        return self.verdict == "pass"

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All violations, with those that do not fail the run: see `Violation.fails`."""
        return tuple(entry for judgement in self._judged for entry in judgement.violations)

    @property
    def steps(self) -> tuple[StepVerdict, ...]:
        return tuple(step for judgement in self._judged for step in judgement.steps)

    @property
    def unknowns(self) -> tuple[str, ...]:
        """A sentence for each reason why the verdict cannot be pass."""
        return tuple(sentence for pair in self.pairs for sentence in pair.unknowns)

    @property
    def history(self) -> History:
        """Everything that was sent and received. Raises ValueError for several pairs: each has a history of its own."""
        if len(self.pairs) != 1 or self.pairs[0].history is None:
            raise ValueError("this rehearsal has several pairs of versions, or none; see `pairs[…].history`")
        return self.pairs[0].history

    @property
    def report(self) -> str:
        """The report of every pair, as `verifier run` prints it."""
        return "\n".join(pair.report for pair in self.pairs)

    @property
    def _judged(self) -> Sequence[Judgement]:
        return [pair.judgement for pair in self.pairs if pair.judgement is not None]

    def __repr__(self) -> str:
        """In one line, because pytest prints it for `assert result.passed`."""
        told: str = self.verdict
        worst = [defects.added(judgement)[0] for judgement in self._judged if added(judgement)]
        if worst:
            shown = worst[0].shown
            told += f": {worst[0].title} ({shown.attribution}, first in {shown.first}); {worst[0].gravest.experience}"
        elif self.unknowns:
            told += f": {self.unknowns[0]}"
        return f"<{shortened(f'{self.matrix}: {told}', LONGEST - 2)}>"


def pair_result(pair: JudgedPair) -> PairResult:
    if pair.judged is None:
        report = f"{pair.old} → {pair.new} was not run: {pair.reason}\n"
        return PairResult(pair.old, pair.new, pair.directory, None, None, report, pair.reason)
    judgement, history, _, _ = pair.judged
    return PairResult(pair.old, pair.new, pair.directory, judgement, history, text.render(*pair.judged))
