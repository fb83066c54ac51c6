"""Several pairs in one report: the verdict of the whole, the table, and every format with what each pair tells."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
import report_hostile as hostile
import report_values as values
from click.testing import CliRunner

from verifier.checks.verdict import Judgement
from verifier.cli.judge import judge
from verifier.cli.report import report
from verifier.history.store import HistoryWriter, write_value
from verifier.rehearsal.pairs import Index, StoredPair, merged_run, result, store_index
from verifier.rehearsal.run_directory import Inputs
from verifier.report.formats import FORMATS
from verifier.report.pairs import PairResult, PairsRun
from verifier.report.pairs_formats import FILES, MERGED

NAMES = tuple(entry.name for entry in FORMATS)


def judged(verdict: str) -> Judgement:
    if verdict == "fail":
        return values.judgement()
    unknowns = ("something was not tested",) if verdict == "unknown" else ()
    return replace(values.judgement(), verdict=verdict, violations=(), unknowns=unknowns)  # type: ignore[arg-type]


def pair(old: str, new: str, verdict: str) -> PairResult:
    stored = StoredPair(old, new, f"{old}-{new}", "the engine is gone" if verdict == "not run" else "")
    if verdict == "not run":
        return result(stored, None)
    return result(stored, (judged(verdict), values.history(), values.plan(), values.TIMING), NAMES)


def whole(*verdicts: str) -> PairsRun:
    """Adjacent pairs of versions 1, 2, and so on."""
    results = tuple(pair(str(at), str(at + 1), verdict) for at, verdict in enumerate(verdicts, 1))
    versions = tuple(str(at) for at in range(1, len(verdicts) + 2))
    return PairsRun("shop", 0, "process", "1.0", versions, results)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("pass", "pass"), "pass"),
        (("pass", "unknown"), "unknown"),
        (("unknown", "fail", "pass"), "fail"),
        (("pass", "not run"), "unknown"),
        (("not run", "fail"), "fail"),
    ],
)
def test_fail_beats_unknown_beats_pass_and_what_was_not_run_is_no_pass(
    verdicts: tuple[str, ...], expected: str
) -> None:
    assert whole(*verdicts).verdict == expected


def test_the_text_has_the_table_first_and_then_each_report() -> None:
    run = whole("pass", "not run", "fail")
    text = MERGED["text"](run)
    head, *reports = text.split("═" * 110)
    assert head.startswith(
        "FAIL  shop · process runtime · seed 0\n3 pairs of versions: 1 failed, 1 not run, 1 passed.\n"
    )
    assert "2 → 3 forward: not run · the engine is gone\n" in head
    assert [block.split("\n")[1] for block in reports] == ["pair 1 → 2", "pair 3 → 4"]
    assert run.results[2].reports["text"].rstrip() in text


def test_the_document_keeps_its_keys_and_ids_stay_unique() -> None:
    run = whole("fail", "not run", "fail")
    one, two = (entry.document for entry in run.results if entry.document is not None)
    found = json.loads(MERGED["json"](run))
    assert list(found) == [*one, "pairs", "attempts"]
    steps = [step["id"] for step in found["steps"]]
    assert len(set(steps)) == len(steps) == len(one["steps"]) + len(two["steps"])
    assert {step for entry in found["violations"] for step in (entry["step"], *entry["steps"])} <= set(steps)
    assert [entry["pair"] for entry in found["violations"]] == ["1-2"] * len(one["violations"]) + ["3-4"] * len(
        two["violations"]
    )
    for cause in found["causes"]:
        assert {found["violations"][at]["pair"] for at in cause["violations"]} == {cause["pair"]}
    for what in ("states", "transitions", "routes", "faults"):
        assert found["coverage"][what]["total"] == 2 * one["coverage"][what]["total"]
    assert found["timing"]["total_s"] == pytest.approx(2 * one["timing"]["total_s"])
    assert found["counts"]["sent"] == 2 * one["counts"]["sent"] == sum(e["sent"] for e in found["counts"]["sessions"])
    assert [(entry["old"], entry["new"], entry["verdict"], entry["directory"]) for entry in found["pairs"]] == [
        ("1", "2", "fail", "pairs/1-2"),
        ("2", "3", "not run", "pairs/2-3"),
        ("3", "4", "fail", "pairs/3-4"),
    ]
    assert "2 → 3 was not run: the engine is gone" in found["unknowns"]


def test_junit_has_the_suites_of_every_pair_and_an_error_for_one_that_was_not_run() -> None:
    run = whole("fail", "not run")
    own = ElementTree.fromstring(run.results[0].reports["junit"])
    root = ElementTree.fromstring(MERGED["junit"](run))
    first = [f"pair 1 of 2: {suite.get('name')}" for suite in own]
    assert [suite.get("name") for suite in root] == [*first, "pair 2 of 2"]
    versions = [item.get("value") for item in root.iter("property") if item.get("name") == "versions"]
    assert list(dict.fromkeys(versions)) == ["1 → 2", "2 → 3"]
    names = [(item.get("classname"), item.get("name")) for item in root.iter("testcase")]
    assert len(set(names)) == len(names)
    assert root.get("failures") == own.get("failures")
    assert int(root.get("errors", "")) == int(own.get("errors", "")) + 1
    assert int(root.get("tests", "")) == len(root.findall(".//testcase"))


def test_every_format_can_tell_of_several_pairs() -> None:
    assert tuple(MERGED) == NAMES


@pytest.mark.parametrize("attack", hostile.ATTACKS)
def test_hostile_text_stays_text_in_every_format(attack: str) -> None:
    judgement, history, plan = hostile.run(attack)
    stored = StoredPair(attack, "2", "1-2", "")
    results = (result(stored, (judgement, history, plan, values.TIMING), NAMES), pair("2", "3", "not run"))
    run = PairsRun(attack, 0, "process", "1.0", (attack, "2", "3"), (results[0], replace(results[1], reason=attack)))
    page = MERGED["html"](run)
    assert "<script" not in page
    assert "<img" not in page
    assert 'onmouseover="' not in page
    assert page.count('href="') == 2, "forward and back"
    for text in (page, MERGED["text"](run), MERGED["markdown"](run)):
        assert not [character for character in text if ord(character) < 32 and character != "\n"]
    ElementTree.fromstring(MERGED["junit"](run))
    json.loads(MERGED["json"](run))
    assert json.loads(FILES["compatibility.json"](run))["versions"][0] == attack


def test_a_stored_run_is_judged_and_reported_again(tmp_path: Path) -> None:
    folder = tmp_path / "pairs" / "1-2"
    folder.mkdir(parents=True)
    history = values.history()
    writer = HistoryWriter(folder, history.run)
    for record in (*history.operations, *history.steps, *history.replicas, *history.notes):
        writer.add(record)
    writer.close()
    write_value(folder / "plan.json", values.plan())
    write_value(folder / "inputs.json", Inputs("m.yaml", ()))
    write_value(folder / "timing.json", values.TIMING)
    pairs = (StoredPair("1", "2", "1-2", ""), StoredPair("2", "3", "2-3"))
    store_index(tmp_path, Index("shop", 0, "process", "1.0", ("1", "2", "3"), pairs))
    told = CliRunner().invoke(judge, [str(tmp_path)], catch_exceptions=False)
    document = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))
    assert told.exit_code == {"fail": 1, "unknown": 3}[document["verdict"]]
    assert told.stdout.startswith(document["verdict"].upper())
    assert document["unknowns"][-1] == "2 → 3 was not run: the run ended before it"
    assert json.loads((folder / "verdict.json").read_text(encoding="utf-8"))["steps"]
    for name in (*NAMES, "compatibility"):
        shown = CliRunner().invoke(report, [str(tmp_path), "--format", name], catch_exceptions=False)
        assert (shown.exit_code, bool(shown.stdout)) == (0, True)
    assert 'href="pairs/1-2/report.html' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_attempt_is_told_and_does_not_count() -> None:
    stored = StoredPair("1", "2", "1-2-contract-early", "", "contract-early")
    tried = result(stored, (judged("fail"), values.history(), values.plan(), values.TIMING), NAMES)
    index = Index("shop", 0, "process", "1.0", ("1", "2"), (stored,))
    run = merged_run(index, (pair("1", "2", "pass"), tried))
    assert run.verdict == "pass"
    told = f"1 → 2 (contract-early): fail · {tried.attribution} · {tried.cause}"
    shown = MERGED["text"](run)
    assert "Tried on request, in a wrong order (does not count for the verdict)" in shown
    assert told[:60] in shown
    for name in ("markdown", "html"):
        assert "1 → 2 (contract-early)" in MERGED[name](run)
    document = json.loads(MERGED["json"](run))
    assert (document["verdict"], document["violations"]) == ("pass", [])
    (entry,) = document["attempts"]
    assert (entry["attempt"], entry["verdict"], entry["directory"]) == (
        "contract-early",
        "fail",
        "pairs/1-2-contract-early",
    )
