"""Causes: one change of one field is one cause wherever it shows; what is another change is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.checks.history_builder import NEW, OLD, Answer, HistoryBuilder, Scenario, in_every_phase
from verifier.checks.causes import retyped
from verifier.checks.shapes import Shape
from verifier.checks.verdict import Judgement
from verifier.contracts.mismatch import Mistyped, mistyped
from verifier.contracts.registry import ContractRegistry, version_contract


@pytest.mark.parametrize(
    ("pointer", "before", "now", "cause"),
    [
        ("/total", {"number"}, "string", "total of orders is number here, string there"),
        ("/items/*/total", {"string"}, "number", "total of orders is number here, string there"),
        ("/items/3/total", {"string", "null"}, "number", "total of orders is number here, string there"),
        ("/total", {"number"}, "null", "total of orders is null here, number there"),
        ("/total", {"number"}, "number", ""),
        ("/*", {"number"}, "string", ""),
        ("", {"array"}, "object", ""),
    ],
)
def test_a_cause_names_the_field_and_its_types_wherever_it_stands(
    pointer: str, before: set[str], now: str, cause: str
) -> None:
    assert retyped("orders", pointer, before, now) == cause


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "number"}, "73", Mistyped(frozenset({"number"}), "string")),
        ({"type": "integer"}, "73", Mistyped(frozenset({"number"}), "string")),
        ({"type": "integer"}, 1.5, Mistyped(frozenset({"number"}), "number")),
        ({"type": "string"}, 10**400, Mistyped(frozenset({"string"}), "number")),
        ({"type": ["integer", "null"]}, "a is not of type b", Mistyped(frozenset({"number", "null"}), "string")),
        ({"type": "number"}, {"a": "x" * 5000}, Mistyped(frozenset({"number"}), "object")),
        ({"format": "uuid"}, "73", None),
    ],
)
def test_the_types_of_a_broken_schema(schema: dict[str, Any], value: Any, expected: Mistyped | None) -> None:
    (error,) = jsonschema_rs.Draft202012Validator(schema, validate_formats=True).iter_errors(value)
    assert mistyped(error) == expected


def test_the_types_of_a_shape() -> None:
    shape = Shape()
    for known in ({"n": 1, "m": 2}, {"n": None, "m": 2}):
        shape.learn(known)
    retyped_field, missing = sorted(shape.misfits({"n": "73"}), key=lambda misfit: misfit.lacking)
    assert (retyped_field.was, retyped_field.now) == ({"null", "number"}, "string")
    assert (missing.pointer, missing.lacking, missing.was, missing.now) == ("/m", True, frozenset(), "")
    assert retyped("s", retyped_field.pointer, retyped_field.was, retyped_field.now).startswith("n of s is number here")
    assert retyped("s", missing.pointer, missing.was, missing.now) == ""


def _kept(new: dict[str, Any]) -> Judgement:
    """Old writes {id, n}; the new version tells `new` of it: in the thing, in the list of things, and in the sweeps."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh("t")
        old = {"id": 5, "n": 73, "m": 1}

        def answer(version: str, *, many: bool = False) -> Answer:
            body = {**old, **new} if version == NEW and scenario.broken else old
            return (200, [body] if many else body)

        builder.send(f"PUT /things/{name}", scenario.first, 200)
        one = builder.send(f"GET /things/{name}", scenario.second, answer(scenario.second), index=1)
        many = builder.send(f"GET /all/{name}", scenario.second, answer(scenario.second, many=True), index=2)
        for version in (scenario.first, scenario.second):
            builder.sweep(one, version, answer(version))
            builder.sweep(many, version, answer(version, many=True))

    return in_every_phase(play, "forward", builder=builder)


def test_one_change_of_type_has_one_cause_in_every_guarantee_and_operation() -> None:
    judgement = _kept({"n": "73"})
    assert {entry.guarantee for entry in judgement.violations} == {"compatible", "no lost write"}
    assert len(judgement.violations) == 4
    assert {entry.cause for entry in judgement.violations} == {"n of orders is number here, string there"}


def test_an_identity_of_another_type_is_one_change_and_no_missing_entry() -> None:
    judgement = _kept({"id": "5"})
    assert {entry.cause for entry in judgement.violations} == {"id of orders is number here, string there"}
    assert not any("gone" in entry.message for entry in judgement.violations)


def test_two_changes_have_two_causes_and_a_value_of_the_same_type_none() -> None:
    causes = {entry.cause for entry in _kept({"n": "73", "m": True}).violations}
    assert causes == {"n of orders is number here, string there", "m of orders is boolean here, number there"}
    assert {entry.cause for entry in _kept({"n": 74}).violations} == {""}


@pytest.mark.parametrize(
    ("query", "after", "said"),
    [
        ("", [1], "is gone through 2.0"),
        ("?customer=a", [1], "is gone through 2.0"),
        ("", [1, 3], "is not among the 2 entries that 2.0 shows: the list may go on"),
        ("?Limit=2", [1], "is not among the 1 entries that 2.0 shows: the list may go on"),
    ],
)
def test_an_entry_is_gone_only_from_a_list_that_is_whole(query: str, after: list[int], said: str) -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        whole, now = ((200, {"items": [{"id": number} for number in ids]}) for ids in ([1, 2], after))
        read = builder.send(f"GET /things{query}", scenario.second, whole)
        builder.sweep(read, scenario.first, whole)
        builder.sweep(read, scenario.second, now if scenario.broken else whole)

    (found,) = (
        entry for entry in in_every_phase(play, "forward", builder=builder).violations if entry.message.endswith(said)
    )
    assert (found.guarantee, found.attribution) == ("no lost write", "mixed")
    assert found.experience == "an entry that a list showed is not shown there now"


@pytest.mark.parametrize(
    ("status", "felt"),
    [(404, "what could be read before is gone"), (500, "what could be read before cannot be opened")],
)
def test_what_was_felt_is_said_of_what_was_read(status: int, felt: str) -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        read = builder.send("GET /help", scenario.first, 200)
        builder.sweep(read, scenario.second, status if scenario.broken else 200)

    (found,) = in_every_phase(play, "forward", builder=builder).violations
    assert found.experience == felt


def test_a_broken_contract_has_the_cause_of_the_shape() -> None:
    builder = HistoryBuilder.of_orders()

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            total: Any = "73" if scenario.broken and version == NEW else 73
            builder.send("GET /orders/o1", version, (200, {"id": "o1", "total": total}), index=2)

    found = in_every_phase(play, "forward", builder=builder).violations
    assert {entry.guarantee for entry in found} == {"compatible"}
    assert len(found) > 1
    assert {entry.cause for entry in found} == {"total of orders is number here, string there"}


LIST = """
openapi: 3.1.0
info: {title: orders, version: "1"}
paths:
  /all:
    get:
      operationId: all
      responses:
        "200":
          description: All.
          content: {application/json: {schema: {type: array, items: {properties: {n: {type: number}}}}}}
"""


def test_a_broken_contract_is_one_wherever_in_a_list_the_entry_stands(tmp_path: Path) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text(LIST, encoding="utf-8")
    builder = HistoryBuilder(
        registry=ContractRegistry(tuple(version_contract("orders", version, contract) for version in (OLD, NEW)))
    )
    right, wrong = {"n": 1}, {"n": "2"}

    def play(scenario: Scenario) -> None:
        for body in ([right, wrong], [wrong, right]):
            for version in (scenario.first, scenario.second):
                builder.send("GET /all", version, (200, body if scenario.broken and version == NEW else [right, right]))

    broken = [
        entry for entry in in_every_phase(play, "forward", builder=builder).violations if "contract" in entry.message
    ]
    assert [entry.count for entry in broken] == [16]
    assert f"contract of orders {OLD}" in broken[0].message
