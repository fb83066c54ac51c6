"""Annotations of GitHub, the code quality report of GitLab, and SARIF: one entry for each defect and each unknown."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import report_hostile
import report_values as values
from hypothesis import given
from msgspec import structs

from verifier.checks.verdict import Judgement
from verifier.history.model import History
from verifier.report import github, gitlab, sarif
from verifier.report.format import Format
from verifier.report.formats import FORMATS

LINES = (("orders", "", 4), ("orders", "1.4", 9), ("orders", "2.1", 12))
ANNOTATION = re.compile(r"::(error|warning|notice) (?:file=[^,:]+,line=\d+,)?title=[^,:]*::.*")


def history() -> History:
    made = values.history()
    return structs.replace(made, run=structs.replace(made.run, file="matrices/shop.yaml", lines=LINES))


def rendered(form: Format, judgement: Judgement) -> str:
    return form.render(judgement, history(), values.plan(), values.TIMING)


def test_a_defect_stands_on_the_line_of_the_newest_version_that_it_is_about() -> None:
    (line,) = rendered(github.GITHUB, values.judgement((values.DOUBLED,), ())).splitlines()
    assert line.startswith("::error file=matrices/shop.yaml,line=12,title=idempotent · orders 1.4 + 2.1 · placeOrder::")
    assert values.DOUBLED.message in line
    (entry,) = json.loads(rendered(gitlab.GITLAB, values.judgement((values.DOUBLED,), ())))
    assert entry["location"] == {"path": "matrices/shop.yaml", "lines": {"begin": 12}}
    assert (entry["check_name"], entry["severity"]) == ("idempotent", "blocker")
    (result,) = json.loads(rendered(sarif.SARIF, values.judgement((values.DOUBLED,), ())))["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("matrices/shop.yaml", 12)
    assert (result["ruleId"], result["level"]) == ("idempotent", "error")


def test_a_service_without_the_version_has_a_line_too_and_an_early_run_the_first() -> None:
    found = replace(values.DOUBLED, versions=("9",))
    assert ",line=4," in rendered(github.GITHUB, values.judgement((found,), ()))
    early = values.history()
    assert ",line=1," in github.render(values.judgement((found,), ()), early, values.plan(), values.TIMING)


def test_fingerprints_stay_the_same_from_release_to_release() -> None:
    later = replace(values.DOUBLED, versions=("2.1", "3.0"), message="another message", step="rollout.3")
    first, second = (
        json.loads(rendered(gitlab.GITLAB, values.judgement((found,), ())))[0]["fingerprint"]
        for found in (values.DOUBLED, later)
    )
    assert first == second
    other = replace(values.DOUBLED, operation="getOrder")
    assert json.loads(rendered(gitlab.GITLAB, values.judgement((other,), ())))[0]["fingerprint"] != first


def test_unknown_is_an_error_unless_something_fails_anyway() -> None:
    unknown = values.judgement((), ("b was not tested",))
    assert rendered(github.GITHUB, unknown).startswith("::error file=matrices/shop.yaml,line=1,title=not verified::b ")
    failed = rendered(github.GITHUB, values.judgement((values.DOUBLED,), ("b was not tested",))).splitlines()
    assert [line.split(" ")[0] for line in failed] == ["::error", "::warning"]


def test_what_does_not_fail_the_run_is_a_note() -> None:
    (line,) = rendered(github.GITHUB, values.judgement((values.EARLIER,), ())).splitlines()
    assert line.startswith("::notice ")
    (entry,) = json.loads(rendered(gitlab.GITLAB, values.judgement((values.EARLIER,), ())))
    assert entry["severity"] == "info"


def test_github_shows_ten_of_each_kind_and_says_how_many_more() -> None:
    many = tuple(replace(values.DOUBLED, operation=f"operation{number}") for number in range(25))
    lines = rendered(github.GITHUB, values.judgement(many, ())).splitlines()
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert lines[-1] == "::notice title=verifier::15 more errors; see the report"


def test_every_result_of_sarif_has_its_rule() -> None:
    document = json.loads(rendered(sarif.SARIF, values.judgement((values.DOUBLED, values.EARLIER), ("not tested",))))
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [result["ruleId"] for result in run["results"]]
    assert {result["level"] for result in run["results"]} <= {"error", "warning", "note"}
    assert document["version"] == "2.1.0"


@given(report_hostile.texts)
def test_no_text_of_a_recording_adds_a_command_or_an_entry(text: str) -> None:
    calm, wild = report_hostile.run("x"), report_hostile.run(text)
    lines = [github.render(*run, values.TIMING).split("\n") for run in (calm, wild)]
    assert len(lines[0]) == len(lines[1])
    assert all(ANNOTATION.fullmatch(line) for line in lines[1][:-1]), lines[1]
    entries = [json.loads(gitlab.render(*run, values.TIMING).encode()) for run in (calm, wild)]
    assert len(entries[0]) == len(entries[1])
    results = [json.loads(sarif.render(*run, values.TIMING).encode())["runs"][0]["results"] for run in (calm, wild)]
    assert len(results[0]) == len(results[1])


@pytest.mark.parametrize("form", [form for form in FORMATS if form.name in ("github", "gitlab", "sarif")])
def test_a_pass_has_nothing_to_say(form: Format) -> None:
    text = rendered(form, values.judgement((), ()))
    found = json.loads(text) if form.name != "github" else text.splitlines()
    assert (found["runs"][0]["results"] if form.name == "sarif" else found) == []
