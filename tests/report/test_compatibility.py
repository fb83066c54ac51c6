"""The compatibility matrix: both directions of every pair, where each cell comes from, and ways through releases."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import jsonschema_rs
import pytest
import report_values as values
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.checks.verdict import Judgement, Violation
from verifier.rehearsal.pairs import StoredPair, result
from verifier.report import compatibility_json
from verifier.report.compatibility import Cell, rows
from verifier.report.formats import FORMATS
from verifier.report.pairs import ContractsOnly, PairResult, PairsRun
from verifier.report.pairs_formats import MERGED

NAMES = tuple(entry.name for entry in FORMATS)
BACK = replace(
    values.DOUBLED, attribution="rollback", step="rollout.3", steps=("rollout.3",), cause="lost by going back"
)
FORWARD = replace(values.DOUBLED, step="rollout.2", steps=("rollout.2",), cause="charged by both")
BOTH = replace(values.DOUBLED, step="rollout.2", steps=("rollout.2", "rollout.3"), cause="charged by both")


def judged(*violations: Violation, unknowns: tuple[str, ...] = ()) -> Judgement:
    verdict: Any = "fail" if violations else "unknown" if unknowns else "pass"
    return replace(values.judgement(violations, unknowns), verdict=verdict)


def pair(old: str, new: str, judgement: Judgement | None = None) -> PairResult:
    stored = StoredPair(old, new, f"{old}-{new}", "" if judgement else "the engine is gone")
    return result(stored, judgement and (judgement, values.history(), values.plan(), values.TIMING), NAMES)


def whole(*results: PairResult, contracts: tuple[ContractsOnly, ...] = ()) -> PairsRun:
    versions = tuple(sorted({name for entry in results for name in (entry.old, entry.new)}))
    return PairsRun("shop", 0, "process", "1.0", versions, results, contracts)


def cells(run: PairsRun) -> dict[tuple[str, str], Cell]:
    return {(cell.old, cell.new): cell for _, row in rows(run) for cell in row if cell is not None}


def checked(run: PairsRun) -> dict[str, Any]:
    """The document of a run, held against the published schema."""
    document: dict[str, Any] = json.loads(compatibility_json.render(run))
    schema = json.loads(compatibility_json.SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema_rs.Draft202012Validator(schema).validate(document)
    return document


def test_there_is_a_cell_in_each_direction_for_every_pair_of_versions() -> None:
    run = whole(pair("1", "2", judged()), pair("2", "3"), pair("3", "4", judged(FORWARD)))
    verdicts = [[cell.verdict if cell else "·" for cell in row] for _, row in rows(run)]
    assert verdicts == [
        ["·", "pass", "not run", "not run"],
        ["pass", "·", "not run", "not run"],
        ["not run", "not run", "·", "fail"],
        ["not run", "not run", "pass", "·"],
    ]
    assert {cell.direction for (old, new), cell in cells(run).items() if old < new} == {"forward"}
    assert {cell.direction for (old, new), cell in cells(run).items() if old > new} == {"back"}
    assert (cells(run)["2", "3"].cause, cells(run)["2", "3"].basis) == ("the engine is gone", "unknown")
    failed = cells(run)["3", "4"]
    assert (failed.basis, failed.attribution, failed.cause) == ("evidence", "mixed", "charged by both")
    assert failed.link == "pairs/3-4/report.html#step-3"
    assert len(checked(run)["cells"]) == 12


@pytest.mark.parametrize(
    ("violations", "forward", "back"),
    [
        ((), "pass", "pass"),
        ((FORWARD,), "fail", "pass"),
        ((BACK,), "pass", "fail"),
        ((BOTH,), "fail", "fail"),
        ((FORWARD, BACK), "fail", "fail"),
    ],
)
def test_a_defect_counts_in_the_direction_that_shows_it(
    violations: tuple[Violation, ...], forward: str, back: str
) -> None:
    found = cells(whole(pair("1", "2", judged(*violations))))
    assert (found["1", "2"].verdict, found["2", "1"].verdict) == (forward, back)
    if BACK in violations:
        assert (found["2", "1"].attribution, found["2", "1"].cause) == ("rollback", "lost by going back")
        assert found["2", "1"].link.endswith("#step-4")


def test_what_is_seen_only_after_a_rollback_that_failed_is_not_held_against_the_way_forward() -> None:
    """The rollback of rollout.3 loses data, which rollout.5 misses; the state of rollout.5 is tested nowhere else."""
    later = replace(FORWARD, step="rollout.5", steps=("rollout.5",), cause="lost later")
    judgement = judged(BACK, later)
    found = cells(whole(pair("1", "2", judgement)))
    assert (found["1", "2"].verdict, found["1", "2"].link[-6:]) == ("unknown", "step-6")
    assert found["1", "2"].cause == "rollout.5 failed, but after a rollback that failed"
    (last,) = (step for step in judgement.steps if step.id == "rollout.5")
    elsewhere = replace(last, id="control-upgrade.2", path="control-upgrade", phase="control-upgrade", verdict="pass")
    found = cells(whole(pair("1", "2", replace(judgement, steps=(*judgement.steps, elsewhere)))))
    assert found["1", "2"].verdict == "pass"
    again = replace(FORWARD, steps=("rollout.2", "rollout.5"), cause="lost at once")
    assert cells(whole(pair("1", "2", judged(BACK, again))))["1", "2"].cause == "lost at once"


def test_what_was_not_tested_passes_in_no_direction() -> None:
    found = cells(whole(pair("1", "2", judged(BACK, unknowns=("nobody asked 2",)))))
    assert (found["1", "2"].verdict, found["1", "2"].cause) == ("unknown", "nobody asked 2")
    assert found["2", "1"].verdict == "fail"
    found = cells(whole(pair("1", "2", judged(unknowns=("nobody asked 2",)))))
    assert {cell.verdict for cell in found.values()} == {"unknown"}


def test_without_a_rollback_the_way_back_was_not_run() -> None:
    judgement = judged()
    steps = tuple(step for step in judgement.steps if step.phase != "rollback")
    found = cells(whole(pair("1", "2", replace(judgement, steps=steps))))
    assert (found["1", "2"].verdict, found["2", "1"].verdict) == ("pass", "not run")
    assert found["2", "1"].cause == "no rollback was run"


def test_a_version_that_is_reached_through_another_one_is_told_with_it() -> None:
    run = whole(
        pair("1", "2", judged()), pair("1", "3", judged(BOTH)), pair("2", "3", judged()), pair("3", "4", judged(BACK))
    )
    found = cells(run)
    assert (found["1", "3"].ways, found["1", "3"].through) == ((("2",),), "only via 2")
    assert found["1", "4"].through == "via 2, 3"
    assert found["2", "4"].through == "via 3"
    assert {cell.ways for (old, new), cell in found.items() if old > new} == {()}, "what 3 wrote is there after 3 → 2"
    assert found["1", "2"].ways == ()
    text, markdown, page = (MERGED[name](run) for name in ("text", "markdown", "html"))
    for shown in (text, markdown, page):
        assert "only via 2" in shown
        assert "lost by going back" in shown
    assert "1 → 3 forward: fail · mixed · only via 2 · charged by both (pairs/1-3/report.html#step-3)" in text
    assert "4 → 3 back: fail · rollback · lost by going back (pairs/3-4/report.html#step-4)" in text
    assert 'href="pairs/1-3/report.html#step-3"' in page
    (cell,) = (cell for cell in checked(run)["cells"] if (cell["from"], cell["to"]) == ("1", "3"))
    assert cell["reachable_through"] == [["2"]]


def test_a_pair_that_was_not_run_has_what_its_contracts_say_and_is_no_pass() -> None:
    run = whole(
        pair("1", "2", judged()),
        pair("2", "3", judged()),
        contracts=(ContractsOnly("1", "3", "contracts: 1 break, first no sizes"),),
    )
    found = cells(run)
    for names in (("1", "3"), ("3", "1")):
        assert (found[names].verdict, found[names].basis) == ("not run", "contract only")
        way = "via 2 · " if names[0] < names[1] else ""
        assert found[names].text == f"not run (contract only) · {way}contracts: 1 break, first no sizes"
    assert "contract only" in MERGED["html"](run)
    checked(run)


PASSES, FAILS = pair("1", "2", judged()), pair("1", "2", judged(BOTH))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_ways_are_the_shortest_that_passed(data: st.DataObject) -> None:
    """Held against all subsets of the versions in between."""
    versions = "12345"
    good = {names for names in combinations(versions, 2) if data.draw(st.booleans(), label=str(names))}
    made = (
        replace(PASSES if names in good else FAILS, old=names[0], new=names[1]) for names in combinations(versions, 2)
    )
    run = whole(*made)
    found = cells(run)
    for old, new in combinations(versions, 2):
        between = [name for name in versions if old < name < new]
        ways = [
            way
            for size in range(1, len(between) + 1)
            for way in combinations(between, size)
            if all(step in good for step in zip((old, *way), (*way, new), strict=True))
        ]
        shortest = [way for way in ways if len(way) == len(ways[0])] if (old, new) not in good else []
        assert found[old, new].ways == tuple(shortest[:3])
