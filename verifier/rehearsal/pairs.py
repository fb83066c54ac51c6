"""A run of several pairs: `pairs.json`, a complete run in `pairs/NAME/` for each pair, and the merged reports.

RUN/pairs.json  pairs/OLD-NEW/…  compatibility.json  verdict.json  report.html  junit.xml
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.checks.verdict import Judgement
from verifier.files import exists
from verifier.history.model import History, Timing
from verifier.history.store import read_value, write_value
from verifier.matrix.pairs import safe_name
from verifier.plan.model import Plan
from verifier.rehearsal.judging import judge_again, load_and_judge, write_texts
from verifier.rehearsal.run_directory import stored_timing
from verifier.report.formats import FORMATS
from verifier.report.pairs import ContractsOnly, PairResult, PairsRun
from verifier.report.pairs_formats import FILES, MERGED

INDEX = "pairs.json"
INTERRUPTED = "the run ended before it"
WRITTEN = ("text", *(entry.name for entry in FORMATS if entry.file))  # formats that every run renders
Judged = tuple[Judgement, History, Plan, Timing]


@dataclass(frozen=True, slots=True)
class StoredPair:
    """`reason` says why the pair has no verdict; "" if it has one."""

    old: str
    new: str
    name: str
    reason: str = INTERRUPTED
    attempt: str = ""

    @property
    def directory(self) -> str:
        """Relative to the run directory."""
        return f"pairs/{self.name}"


@dataclass(frozen=True, slots=True)
class Index:
    matrix: str
    seed: int
    runtime: str
    tool: str
    versions: tuple[str, ...]
    pairs: tuple[StoredPair, ...]
    contracts: tuple[ContractsOnly, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """A pair of versions after its run, in `directory`. Without a judgement, `reason` says why it has none."""

    old: str
    new: str
    directory: Path
    judged: Judged | None
    reason: str = ""


def has_pairs(directory: Path) -> bool:
    """Whether this is the directory of a run of several pairs."""
    return exists(directory / INDEX)


def store_index(directory: Path, index: Index) -> None:
    write_value(directory / INDEX, index)


def result(pair: StoredPair, judged: Judged | None, formats: Collection[str] = WRITTEN) -> PairResult:
    """A pair with its reports in these formats; without a judgement it was not run."""
    if judged is None:
        return PairResult(pair.old, pair.new, pair.name, pair.directory, None, {}, pair.reason, pair.attempt)
    reports = {entry.name: entry.render(*judged) for entry in FORMATS if entry.name in {*formats, "json"}}
    document = json.loads(reports["json"])
    return PairResult(pair.old, pair.new, pair.name, pair.directory, document, reports, attempt=pair.attempt)


def merged_run(index: Index, results: tuple[PairResult, ...]) -> PairsRun:
    counting = tuple(entry for entry in results if not entry.attempt)
    attempts = tuple(entry for entry in results if entry.attempt)
    named = (index.matrix, index.seed, index.runtime, index.tool, index.versions)
    return PairsRun(*named, counting, index.contracts, attempts)


def load_pairs(directory: Path, formats: Collection[str]) -> PairsRun:
    """Read and judge a stored run of several pairs, with the reports in these formats. Raises BadInput."""
    return _loaded(directory, formats, lambda run: (*load_and_judge(run), stored_timing(run)))


def load_one_pair(directory: Path) -> PairsRun:
    """A stored run of a single pair, as a run of one pair. Raises BadInput."""
    judgement, history, plan = load_and_judge(directory)
    services = history.run.services
    moved = next((service for service in services if service.old != service.new), services[0])
    pair = StoredPair(moved.old, moved.new, safe_name(f"{moved.old}-{moved.new}"), "")
    one = result(pair, (judgement, history, plan, stored_timing(directory)), ())
    index = Index(plan.matrix, plan.seed, history.run.runtime, plan.tool, (moved.old, moved.new), (pair,))
    return merged_run(index, (replace(one, directory="."),))


def load_judged(directory: Path) -> tuple[str, tuple[JudgedPair, ...]]:
    """The name of the matrix of a stored run, and each of its pairs, judged. Raises BadInput, BrokenEnvironment."""
    if not has_pairs(directory):
        judged = (*load_and_judge(directory), stored_timing(directory))
        service = max(judged[1].run.services, key=lambda entry: entry.old != entry.new)
        return judged[1].run.matrix, (JudgedPair(service.old, service.new, directory, judged),)
    index: Index = read_value(directory / INDEX, Index)
    every = []
    for pair in index.pairs:
        folder = directory / pair.directory
        found = None if pair.reason else (*load_and_judge(folder), stored_timing(folder))
        every.append(JudgedPair(pair.old, pair.new, folder, found, pair.reason))
    return index.matrix, tuple(every)


def judge_pairs_again(directory: Path) -> PairsRun:
    """Judge every pair of a stored run with the current checks, and rewrite all reports. Raises BadInput."""
    run = _loaded(directory, WRITTEN, judge_again)
    write_merged(directory, run)
    return run


def write_merged(directory: Path, run: PairsRun) -> None:
    """Write the merged reports; no file is ever half written."""
    texts = {entry.file: MERGED[entry.name](run) for entry in FORMATS if entry.file}
    write_texts(directory, texts | {name: render(run) for name, render in FILES.items()})


def _loaded(directory: Path, formats: Collection[str], judged: Callable[[Path], Judged]) -> PairsRun:
    index: Index = read_value(directory / INDEX, Index)
    found = (result(pair, None if pair.reason else judged(directory / pair.directory), formats) for pair in index.pairs)
    return merged_run(index, tuple(found))
