"""Schemas made to take for ever end: with a message, or with an answer or `unknown` after a bounded effort."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Told, call
from verifier.contracts import effort, limited

Schema = dict[str, Any]
SECONDS = 10.0  # CPU time of this process
LEVELS = 30


def to(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def chain(level: Callable[[Schema], Schema], leaf: Schema) -> dict[str, Schema]:
    """Definitions d0, d1 and so on, each made of references to the next one."""
    made = {f"d{at}": level(to(f"d{at + 1}")) for at in range(LEVELS)}
    return {**made, f"d{LEVELS}": leaf}


def compared(folder: Path, *definitions: dict[str, Schema]) -> Told:
    """`verifier contract` for two documents whose response and request are `d0`. Fails if it takes long."""
    files = []
    for name, schemas in zip(("old", "new"), definitions, strict=True):
        content = {"content": {"application/json": {"schema": to("d0")}}}
        operation = {"operationId": "x", "requestBody": content, "responses": {"200": {"description": "", **content}}}
        whole = {"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {"/a": {"post": operation}}}
        files.append(folder / f"{name}.json")
        files[-1].write_text(json.dumps({**whole, "components": {"schemas": schemas}}))
    began = time.process_time()
    told = call("contract", *files)
    assert time.process_time() - began < SECONDS
    assert "Traceback" not in told.err
    return told


def text(most: int) -> Schema:
    return {"type": "string", "maxLength": most}


@pytest.mark.parametrize(
    "level",
    [
        lambda below: {"allOf": [below, below]},
        lambda below: {"allOf": [{**below, "title": "x"}, {"allOf": [below], "minLength": 0}]},
        lambda below: {"anyOf": [below, below]},
        lambda below: {"oneOf": [below, {"allOf": [below], "minLength": 1}]},
        lambda below: {"not": {"allOf": [{"not": below}, {"not": below}]}},
        lambda below: {"if": below, "then": below, "else": below},
        lambda below: {"dependentSchemas": {"a": below, "b": below}},
        lambda below: {"type": "object", "allOf": [{"properties": {"a": below}}, {"properties": {"a": below}}]},
        lambda below: {"type": "object", "properties": {"a": {"anyOf": [below, below]}}},
        lambda below: {"type": "array", "contains": below, "items": below},
    ],
)
def test_references_that_double_what_applies_to_a_value(level: Callable[[Schema], Schema], tmp_path: Path) -> None:
    told = compared(tmp_path, *(chain(level, text(most)) for most in (5, 7)))
    assert (told.status, told.out) == (2, "")
    assert "old.json:1: #/paths/~1a/post/" in told.err
    assert "$ref makes more than 100000 schemas apply to one value" in told.err


@pytest.mark.parametrize(
    "level",
    [
        lambda below: {"type": "object", "properties": {"a": below, "b": below}},
        lambda below: {"type": "object", "properties": {"a": below, "b": below}, "required": ["a", "b"]},
        lambda below: {"type": "array", "prefixItems": [below, below], "minItems": 2},
        lambda below: {"type": "object", "patternProperties": {"^a": below, "b$": below}},
    ],
)
def test_trees_of_references(level: Callable[[Schema], Schema], tmp_path: Path) -> None:
    told = compared(tmp_path, *(chain(level, text(most)) for most in (5, 7)))
    assert told.status in (1, 3), told.err
    assert len(told.out) < 100_000


def test_a_break_at_the_end_of_a_tree_of_references_is_told_once(tmp_path: Path) -> None:
    def level(below: Schema) -> Schema:
        return {"type": "object", "properties": {"a": below, "b": below}}

    told = compared(tmp_path, *(chain(level, text(most)) for most in (5, 7)))
    assert told.status == 1
    assert told.out.count("maxLength") == 1, "for an old reader of the new response, and for the old service"


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (lambda most: {"d0": {"allOf": [to("d1")], "maxLength": most}, "d1": {"allOf": [to("d0")]}}, 1),
        (lambda most: {"d0": {"allOf": [to("d0"), text(most)]}}, 1),
        (lambda most: {"d0": to("d1"), "d1": to("d0"), "d2": text(most)}, 0),
        (lambda most: {"d0": {"not": to("d0"), "maxLength": most}}, None),
        (lambda most: {"d0": {"if": to("d0"), "then": text(most)}}, None),
        (lambda most: {"d0": {"anyOf": [{"type": "array", "items": to("d0"), "minItems": 1}, text(most)]}}, 1),
        (
            lambda most: {
                f"d{at}": {
                    "type": "object",
                    "properties": {**{f"p{to_}": to(f"d{to_}") for to_ in range(25)}, "v": text(most + at)},
                }
                for at in range(25)
            },
            1,
        ),
    ],
)
def test_circles_of_references(made: Callable[[int], dict[str, Schema]], status: int | None, tmp_path: Path) -> None:
    told = compared(tmp_path, made(5), made(7)).status
    assert told in (1, 3) if status is None else told == status


@pytest.mark.parametrize("count", [900, 5000])
def test_long_chains_of_references(count: int, tmp_path: Path) -> None:
    links = {f"d{at}": {"allOf": [to(f"d{at + 1}")]} for at in range(count)}
    told = compared(tmp_path, *({**links, f"d{count}": text(most)} for most in (5, 7)))
    assert (told.status, told.out) == (2, "")
    assert "is nested too deeply" in told.err


@pytest.mark.parametrize(
    "pair",
    [
        ({"type": "string", "pattern": "^[a-z]+$"}, {"type": "string", "pattern": "a" * 100_000}),
        ({"type": "string", "pattern": "^(a|b)*a(a|b){25}$"}, {"type": "string", "pattern": "^(a|b)*a(a|b){35}$"}),
    ],
)
def test_patterns_that_are_hard_to_compare(pair: tuple[Schema, Schema], tmp_path: Path) -> None:
    assert compared(tmp_path, *({"d0": item} for item in pair)).status in (1, 3)


def test_a_product_of_alternatives_is_given_up(tmp_path: Path) -> None:
    """The engine alone would take minutes and gigabytes for it."""

    def product(most: int) -> dict[str, Schema]:
        def one(name: str) -> Schema:
            return {"type": "object", "required": [name], "properties": {name: text(most)}}

        return {"d0": {"allOf": [{"anyOf": [one(f"a{at}{of}") for of in range(8)]} for at in range(3)]}}

    assert compared(tmp_path, product(5), product(7)).status in (1, 3)


def test_a_question_that_takes_too_long_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    limited.renew()
    assert limited.answered(lambda: [1, "a"]) == [1, "a"]
    assert limited.answered(lambda: {}[0]) is None
    assert limited.answered(lambda: bytearray(1 << 30)) is None
    monkeypatch.setattr(limited, "_LOST", 0.5)
    limited.renew()
    assert limited.answered(lambda: sum(1 for _ in iter(int, 1))) is None
    assert limited.answered(lambda: 1) is None, "what all questions may lose is lost"
    limited.renew()
    assert limited.answered(lambda: 1) == 1


def test_the_effort_of_a_block_is_bounded_and_counts_outside() -> None:
    with effort.at_most(10) as spent:
        with pytest.raises(effort.TooMuch), effort.at_most(5):
            effort.spend(6)
        assert spent() == 6
        with pytest.raises(effort.TooMuch):
            effort.spend(5)
    effort.spend(1_000_000)
