"""The difference of two runs: what is new, gone and the same, and when that is worse."""

from __future__ import annotations

from dataclasses import replace

import pytest
import report_values as values
from msgspec import structs

from verifier.checks.verdict import Violation
from verifier.errors import BadInput
from verifier.history.model import ServiceInfo
from verifier.report.difference import Side, difference, document, text
from verifier.report.ids import LENGTH, by_violation, ids, named

LATE = replace(values.DOUBLED, guarantee="completes", operation="getOrder", experience="a spinner that never ends")


def _side(*violations: Violation, version: str = "2.1", matrix: str = "a") -> Side:
    history = values.history()
    services = (history.run.services[0], ServiceInfo("orders", ("1.4", version), "1.4", version))
    history = structs.replace(history, run=structs.replace(history.run, services=services))
    return Side(values.judgement(violations), history, values.plan(), {"matrix.yaml": matrix})


def test_a_run_does_not_differ_from_itself() -> None:
    found = difference(_side(values.DOUBLED), _side(values.DOUBLED))
    assert not found.worse
    assert (found.new, found.gone, len(found.same)) == ((), (), 1)
    assert found.guarantees == found.coverage == found.versions == found.inputs == ()
    assert "Guarantees: no change" in text(found, "a", "b")


def test_what_is_new_and_what_is_gone_is_told() -> None:
    before, after = _side(values.DOUBLED, values.EARLIER), _side(values.EARLIER, LATE, version="2.2", matrix="b")
    found = difference(before, after)
    assert [entry.operation for entry in found.new] == ["getOrder"]
    assert [entry.guarantee for entry in found.gone] == ["idempotent"]
    assert [entry.attribution for entry in found.same] == ["pre-existing"]
    assert [(entry.name, entry.before, entry.after) for entry in found.versions] == [
        ("orders", "1.4 → 2.1", "1.4 → 2.2")
    ]
    assert [(entry.name, entry.before, entry.after) for entry in found.inputs] == [("matrix.yaml", "a", "b")]
    assert ("idempotent", "fail", "pass") in [(entry.name, entry.before, entry.after) for entry in found.guarantees]
    shown = text(found, "monday", "tuesday")
    assert "a spinner that never ends" in shown and "charged twice" in shown
    assert document(found)["new"][0]["operation"] == "getOrder"


def test_a_new_violation_is_worse_and_a_mended_one_is_not() -> None:
    assert difference(_side(values.EARLIER), _side(values.EARLIER, values.DOUBLED)).worse
    assert not difference(_side(values.EARLIER, values.DOUBLED), _side(values.EARLIER)).worse
    assert not difference(_side(), _side(values.EARLIER)).worse


def test_ids_do_not_depend_on_versions_and_are_unique() -> None:
    other = replace(values.DOUBLED, versions=("1.4", "9"), steps=("rollout.4",))
    judgement = values.judgement((values.DOUBLED, values.EARLIER, other))
    found = ids(judgement)
    assert found[2] == f"{found[0]}-2" and len(set(found)) == 3
    assert len(found[1]) == LENGTH
    assert by_violation(judgement)[id(other)] == found[2]


def test_a_violation_is_named_by_its_id_or_by_the_number_of_its_defect() -> None:
    judgement = values.judgement()
    assert named(judgement, ids(judgement)[1]) is values.EARLIER
    assert named(judgement, "1") is values.DOUBLED
    with pytest.raises(BadInput, match="is no violation of this run; it has "):
        named(judgement, "2")
    with pytest.raises(BadInput, match="the run has no violation"):
        named(values.judgement(()), "1")
