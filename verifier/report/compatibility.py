"""The compatibility matrix: from each version to each other one, what is known, from where, and another way there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

from verifier.printable import one_line
from verifier.report.pairs import NOT_RUN, PairResult, PairsRun

Document = Mapping[str, Any]
Direction = Literal["forward", "back"]
Basis = Literal["evidence", "contract only", "unknown"]
MOST_WAYS = 3  # that are named for one cell


@dataclass(frozen=True, slots=True)
class Cell:
    """What is known of going from the version of the row, `old`, to that of the column, `new`.

    `direction` is `forward` to a later version; `back` is a rollback. `verdict` is pass, fail, unknown or `not run`.
    `basis`: `evidence` of a run, `contract only` if nothing but the contracts was compared, or `unknown`. `ways` are
    the shortest ways forward through releases in between whose every part passed on its own; none for a cell that
    passed itself. There is none back: what the newest release wrote would still be there after the first part. `link`
    leads from the run directory to the page of the run, at the step that shows the cause; "" if there is none.
    """

    old: str
    new: str
    direction: Direction
    verdict: str
    basis: Basis
    attribution: str = ""
    cause: str = ""
    ways: tuple[tuple[str, ...], ...] = ()
    link: str = ""

    @property
    def through(self) -> str:
        """Which releases lead there: `only via 2.0` if the direct way fails; "" if none does."""
        if not self.ways:
            return ""
        told = " or ".join(", ".join(way) for way in self.ways)
        return f"{'only ' if self.verdict == 'fail' else ''}via {told}"

    @property
    def text(self) -> str:
        verdict = f"{self.verdict} (contract only)" if self.basis == "contract only" else self.verdict
        return " · ".join(filter(None, (verdict, self.attribution, self.through, self.cause)))


Rows = tuple[tuple[str, tuple[Cell | None, ...]], ...]


def rows(run: PairsRun) -> Rows:
    """The rows of the matrix, each with a cell for every version; None from a version to itself."""
    found = {(cell.old, cell.new): cell for cell in _cells(run)}
    passed = {names for names, cell in found.items() if cell.verdict == "pass"}
    told = {
        (old, new): replace(cell, ways=_ways(run.versions, passed, old, new))
        if cell.direction == "forward" and cell.verdict != "pass"
        else cell
        for (old, new), cell in found.items()
    }
    return tuple((old, tuple(told.get((old, new)) for new in run.versions)) for old in run.versions)


def _cells(run: PairsRun) -> Iterator[Cell]:
    results = {(result.old, result.new): result for result in run.results}
    contracts = {(entry.old, entry.new): entry.told for entry in run.contracts}
    for (row, old), (column, new) in product(enumerate(run.versions), repeat=2):
        if row == column:
            continue
        names = (old, new) if row < column else (new, old)
        direction: Direction = "forward" if row < column else "back"
        if (result := results.get(names)) is not None and result.document is not None:
            yield _evidence(old, new, direction, result, result.document)
        else:
            reason = one_line(result.reason) if result is not None else ""
            basis: Basis = "contract only" if names in contracts else "unknown"
            yield Cell(old, new, direction, NOT_RUN, basis, cause=reason or contracts.get(names, ""))


def _evidence(old: str, new: str, direction: Direction, result: PairResult, document: Document) -> Cell:
    judged = _forward(document) if direction == "forward" else _back(document)
    link = f"{result.directory}/report.html"
    if judged.step is not None:
        link += f"#step-{judged.step}"
    return Cell(old, new, direction, judged.verdict, "evidence", judged.attribution, one_line(judged.cause), link=link)


@dataclass(frozen=True, slots=True)
class _Judged:
    """`step` is the position of a step on the page of the run, from 1."""

    verdict: str
    attribution: str = ""
    cause: str = ""
    step: int | None = None


def _forward(document: Document) -> _Judged:
    """A run without its rollbacks, and without what was seen only after one that failed, on the same data.

    A step after that is no evidence against the way forward, but its state has to have passed elsewhere in the run.
    """
    spoiled = _spoiled(document)

    def counts(step: Document) -> bool:
        return not _is_back(step) and step["id"] not in spoiled

    for cause in document["causes"]:
        if cause["attribution"] != "rollback" and _shown(cause, document, counts):
            return _failed(cause, document, counts)
    passed = [_tested(step) for step in document["steps"] if step["verdict"] == "pass"]
    for number, step in enumerate(document["steps"], 1):
        is_bad = step["id"] in spoiled and step["phase"] == "forward" and step["verdict"] != "pass"
        if is_bad and _tested(step) not in passed:
            return _Judged("unknown", cause=f"{step['id']} failed, but after a rollback that failed", step=number)
    return _rest(document)


def _spoiled(document: Document) -> set[str]:
    """The steps of each path from the first failed rollback on: their data is no longer what the way forward has."""
    found: set[str] = set()
    paths: set[str] = set()
    for step in document["steps"]:
        if _is_back(step) and step["verdict"] == "fail":
            paths.add(step["path"])
        if step["path"] in paths:
            found.add(step["id"])
    return found


def _tested(step: Document) -> tuple[bool, Any]:
    """What a step tests: replicas by service and version, before or after the last migration."""
    return step["kind"] == "finalize", step["state"]


def _back(document: Document) -> _Judged:
    """The rollbacks of a run: what they add, and what they do not undo."""
    after = [step for step in document["steps"] if _is_back(step)]
    if not after:
        return _Judged(NOT_RUN, cause="no rollback was run")
    showing = [cause for cause in document["causes"] if _shown(cause, document, _is_back)]
    showing.sort(key=lambda cause: cause["attribution"] != "rollback")  # stable: else the gravest first
    if showing:
        return _failed(showing[0], document, _is_back)
    if any(step["verdict"] == "fail" for step in after):
        return _Judged("fail", cause="a step after a rollback violated a guarantee")
    return _rest(document)


def _rest(document: Document) -> _Judged:
    """Without a defect of its own a direction passes only if the whole run tested everything."""
    unknowns = document["unknowns"]
    if unknowns or document["verdict"] == "unknown":
        return _Judged("unknown", cause=unknowns[0] if unknowns else "")
    return _Judged("pass")


def _failed(cause: Document, document: Document, wanted: Callable[[Document], bool]) -> _Judged:
    return _Judged("fail", cause["attribution"], cause["cause"], min(_shown(cause, document, wanted), default=None))


def _shown(cause: Document, document: Document, wanted: Callable[[Document], bool]) -> list[int]:
    """The numbers, from 1, of the steps of one kind in which a violation of this cause was seen."""
    names = {name for at in cause["violations"] for name in document["violations"][at]["steps"]}
    return [at for at, step in enumerate(document["steps"], 1) if step["id"] in names and wanted(step)]


def _is_back(step: Document) -> bool:
    """Whether a step rolls back, or follows on it. Going forward again is none."""
    return bool(step["phase"] == "rollback" and step["kind"] != "go forward")


def _ways(versions: tuple[str, ...], passed: set[tuple[str, str]], old: str, new: str) -> tuple[tuple[str, ...], ...]:
    """The releases in between of the shortest ways that passed, at most MOST_WAYS of them, in the order of versions."""
    between = versions[versions.index(old) : versions.index(new) + 1]
    found: list[tuple[str, ...]] = []
    queue: deque[tuple[str, ...]] = deque([(old,)])
    while queue and len(found) < MOST_WAYS:
        way = queue.popleft()
        if found and len(way) > len(found[0]) + 1:
            break
        for at in between[between.index(way[-1]) + 1 :]:
            if (way[-1], at) not in passed:
                continue
            if at == new:
                found.append(way[1:])
            else:
                queue.append((*way, at))
    return tuple(found[:MOST_WAYS])
