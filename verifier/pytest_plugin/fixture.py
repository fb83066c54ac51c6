"""What the fixture `mixed_version` is: a callable that rehearses a matrix from within a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from verifier.files import read_text
from verifier.pytest_plugin import RUN
from verifier.pytest_plugin.rehearsing import Choices, only, planned, rehearsed, stored, written
from verifier.pytest_plugin.result import Result
from verifier.rehearsal.edited_plan import with_plans


class Rehearse:
    """`mixed_version(matrix)` runs a matrix and returns a `Result`.

    `matrix` is a path, relative to the folder of the test, or a mapping with the keys of a matrix, whose paths are
    relative to that folder too. Raises BadInput, and BrokenEnvironment if there can be no verdict.
    """

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self._request = request
        self._folder = folder

    def __call__(
        self,
        matrix: str | Path | Mapping[str, Any],
        *,
        pair: tuple[str, str] | None = None,
        seed: int | None = None,
        budget: str | None = None,
        runtime: str | None = None,
        plan: str | Path | None = None,
        out: Path | None = None,
    ) -> Result:
        """Rehearse all pairs of versions, or the one `pair` (old, new). What is not given is as on the command line.

        `plan` is a file with the plan to run, as `verifier shrink` writes it, relative to the folder of the test.
        """
        choices = chosen(self._request.config, seed, budget, runtime, out)
        beside = self._request.path.parent
        file = written(matrix, self._folder) if isinstance(matrix, Mapping) else beside / matrix
        prepared = only(planned(file, choices, folder=beside if isinstance(matrix, Mapping) else None), pair)
        if plan is not None:
            prepared = with_plans(prepared, read_text(beside / plan), str(beside / plan))
        return self._kept(rehearsed(prepared, choices))

    def judge(self, run: str | Path) -> Result:
        """A run directory that is already there, judged again. Its path is relative to the folder of the test."""
        return self._kept(stored(self._request.path.parent / run))

    def _kept(self, result: Result) -> Result:
        """The result, kept for the report of a test that fails."""
        item: Any = self._request.node
        item.mixed_version_results = (*getattr(item, "mixed_version_results", ()), result)
        item.user_properties.append((RUN, str(result.directory)))
        return result


def pairs_of(
    config: pytest.Config, folder: Path, matrix: str | Path, **choices: Any
) -> list[tuple[str, tuple[str, str]]]:
    """The pairs of versions of a matrix, each with its name as an id of tests. Raises BadInput. Nothing is started."""
    named = {name: value for name, value in choices.items() if name in ("seed", "budget")}
    prepared = planned(folder / matrix, chosen(config, named.get("seed"), named.get("budget"), None, None), start=False)
    return [(entry.pair.name, (entry.pair.old, entry.pair.new)) for entry in prepared]


def chosen(
    config: pytest.Config, seed: int | None, budget: str | None, runtime: str | None, out: Path | None
) -> Choices:
    """What a call gives, else what the command line gives."""
    option = config.option
    return Choices(
        runtime or option.mixed_version_runtime,
        option.mixed_version_seed if seed is None else seed,
        budget or option.mixed_version_budget,
        out,
    )
