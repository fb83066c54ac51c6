"""Collects a matrix as tests: an item for each step and guarantee, for each guarantee, or one for the whole.

Collecting makes the plan and starts nothing. The first item that runs rehearses the matrix, in its setup, so that a
broken environment is an error and no failure. All items of a matrix then read the same result.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from verifier.errors import BadInput, BrokenEnvironment
from verifier.matrix.pairs import Pair
from verifier.plan.model import PlannedStep
from verifier.pytest_plugin import RUN
from verifier.pytest_plugin.failure_text import brief, story
from verifier.pytest_plugin.outcomes import NAMES, Outcome, of_guarantee, of_matrix, of_step
from verifier.pytest_plugin.rehearsing import Choices, planned, rehearsed, stored
from verifier.pytest_plugin.result import PairResult, Result
from verifier.rehearsal.prepare import Prepared
from verifier.report.phrasing import mixture

VERIFIED = "verified"  # the item of a step that says whether everything in it could be judged
VERDICT = "verdict"


class MatrixFile(pytest.File):
    """A matrix. Holds the one result that its items read."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.told: dict[object, str] = {}  # which item told the story of a violation, by its id
        self._prepared: tuple[Prepared, ...] = ()
        self._result: Result | None = None
        self._broken = ""  # why there is no result

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        try:
            self._prepared = planned(self._named, self._choices, start=not self.config.option.collectonly)
        except BadInput as error:
            raise self.CollectError("\n".join(error.lines())) from None
        per = self.config.option.mixed_version_per
        for entry in self._prepared if per != "matrix" else ():
            several = len(self._prepared) > 1
            parent = PairNode.from_parent(self, name=entry.pair.name, entry=entry) if several else self
            yield from [parent] if isinstance(parent, PairNode) else children(parent, entry, per)
        yield VerdictItem.from_parent(self, name=VERDICT)

    def result(self) -> Result:
        """The judged rehearsal, made at the first call. Raises BrokenEnvironment, at every call."""
        if self._broken:
            raise BrokenEnvironment(self._broken)
        if self._result is None:
            try:
                self._result = self._stored() or rehearsed(self._prepared, self._choices)
            except BrokenEnvironment as broken:
                self._broken = str(broken)
                raise
        return self._result

    def teardown(self) -> None:
        self._result = None  # a history may be large

    def pair(self, pair: Pair) -> PairResult:
        """The result of a pair. A stored run of a single pair names it after any service that is upgraded."""
        every = self.result().pairs
        return next((entry for entry in every if (entry.old, entry.new) == (pair.old, pair.new)), every[0])

    def _stored(self) -> Result | None:
        """The run that was given by --mixed-version-run for this matrix."""
        name = self._prepared[0].matrix.name
        found = (stored(Path(directory)) for directory in self.config.option.mixed_version_run)
        return next((result for result in found if result.matrix == name), None)

    @property
    def _named(self) -> Path:
        """As a user would write it: `verifier run` of this path is the command that reproduces a violation."""
        folder = self.config.invocation_params.dir
        return self.path.relative_to(folder) if self.path.is_relative_to(folder) else self.path

    @property
    def _choices(self) -> Choices:
        option = self.config.option
        return Choices(option.mixed_version_runtime, option.mixed_version_seed, option.mixed_version_budget)


class PairNode(pytest.Collector):
    """One pair of versions of a matrix with several."""

    def __init__(self, entry: Prepared, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.entry = entry

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        yield from children(self, self.entry, self.config.option.mixed_version_per)


class StepNode(pytest.Collector):
    """A step of the plan. `--collect-only` shows its description, so that what it prints is the plan."""

    def __init__(self, step: PlannedStep, pair: Pair, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.step, self.pair = step, pair

    def collect(self) -> Iterator[pytest.Item]:
        for name in NAMES:
            yield GuaranteeItem.from_parent(self, name=name, pair=self.pair, step=self.step.id)
        yield StepItem.from_parent(self, name=VERIFIED, pair=self.pair, step=self.step.id)

    def __repr__(self) -> str:
        state = mixture(self.step.state)
        return f"<Step {self.name} {self.step.description}: {state}; {len(self.step.replays)} replays>"


def children(parent: MatrixFile | PairNode, entry: Prepared, per: str) -> Iterator[pytest.Item | pytest.Collector]:
    """The steps of a pair, or its guarantees."""
    if per == "step":
        for step in entry.plan.steps:
            yield StepNode.from_parent(parent, name=step.id, step=step, pair=entry.pair)
    else:
        for name in NAMES:
            yield GuaranteeItem.from_parent(parent, name=name, pair=entry.pair, step=None)


class MatrixItem(pytest.Item):
    """An item of a matrix. What it says when it fails is a story, not a stack trace."""

    @property
    def matrix(self) -> MatrixFile:
        found = self.getparent(MatrixFile)
        assert found is not None
        return found

    def setup(self) -> None:
        """Rehearse, if no item before has done so. An environment that breaks is an error of the setup."""
        broken = ""
        try:
            result = self.matrix.result()
        except BrokenEnvironment as error:
            broken = str(error)
        if broken:  # outside of the handler, so that pytest shows no chain of exceptions
            before = self.matrix.told.setdefault("environment", self.nodeid)
            why = broken if before == self.nodeid else f"See {before}."
            pytest.fail(f"The environment broke; no verdict. {why}", pytrace=False)
        self.user_properties.append((RUN, str(result.directory)))

    def runtest(self) -> None:
        outcome = self.outcome()
        if outcome.kind == "skip":
            pytest.skip(outcome.text)
        if outcome.kind == "unknown" and self.config.option.mixed_version_allow_unknown:
            pytest.skip(f"unknown: {outcome.text}")
        if outcome.kind != "pass":
            told = f"unknown: {outcome.text}" if outcome.kind == "unknown" else self.failure(outcome)
            pytest.fail(told, pytrace=False)

    def outcome(self) -> Outcome:
        raise NotImplementedError

    def failure(self, outcome: Outcome) -> str:
        return outcome.text

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.nodeid.partition("::")[2].replace("::", " ")


class GuaranteeItem(MatrixItem):
    """A guarantee in one step, or in all steps of a pair if `step` is None."""

    def __init__(self, pair: Pair, step: str | None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.pair, self.step = pair, step

    def outcome(self) -> Outcome:
        return of_guarantee(self.matrix.pair(self.pair), NAMES[self.name], self.step)

    def failure(self, outcome: Outcome) -> str:
        """The story of the violation. Items that meet it again say which item told it."""
        found, violation = self.matrix.pair(self.pair), outcome.shown
        assert violation is not None
        assert found.judgement is not None
        assert found.history is not None
        place = (self.pair.name, found.judgement.violations.index(violation))
        before = self.matrix.told.setdefault(place, self.nodeid)
        if before != self.nodeid:
            return brief(violation, before)
        return story(violation, found.judgement, found.history)


class StepItem(MatrixItem):
    def __init__(self, pair: Pair, step: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.pair, self.step = pair, step

    def outcome(self) -> Outcome:
        return of_step(self.matrix.pair(self.pair), self.step)


class VerdictItem(MatrixItem):
    def outcome(self) -> Outcome:
        return of_matrix(self.matrix.result())

    def failure(self, outcome: Outcome) -> str:
        """The whole report where no other item tells it."""
        whole = self.config.option.mixed_version_per == "matrix"
        return self.matrix.result().report if whole else outcome.text
