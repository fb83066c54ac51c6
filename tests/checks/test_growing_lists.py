"""Lists that grow: every response shows all entries so far, and each distinct entry is looked at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.checks import renderings, shapes
from verifier.checks.renderings import MOST_ENTRIES, Kinds, canonical, single_values, values_of
from verifier.checks.shapes import Misfit, Shape, kind
from verifier.contracts.shared_json import SHORT, decode
from verifier.pointers import escape

NAMES = st.sampled_from(["a", "b", "id", "x/y", "*"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
ENTRIES = st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=3), max_size=4)
BODIES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=25
)


@given(body=BODIES, padding=st.sampled_from(["", " " * SHORT]), encoding=st.sampled_from(["utf-8", "utf-16"]))
def test_a_body_is_decoded_as_json_loads_does(body: Any, padding: str, encoding: str) -> None:
    text = (json.dumps(body) + padding).encode(encoding)
    assert repr(decode(text)) == repr(json.loads(text))


@given(st.binary(max_size=40).map(lambda head: b"[{}," + head + b"]" + b" " * SHORT))
def test_what_is_no_json_is_refused_as_json_loads_does(text: bytes) -> None:
    def outcome(function: Any) -> str:
        try:
            return repr(function(text))
        except (ValueError, RecursionError) as error:
            return str(error)

    assert outcome(decode) == outcome(json.loads)


def test_equal_entries_of_two_bodies_are_one_object() -> None:
    entries = [{"id": f"entry-{number}", "state": "done"} for number in range(40)]
    one, other = (decode(json.dumps({"all": {"jobs": entries[:count]}}).encode()) for count in (39, 40))
    assert all(first is second for first, second in zip(one["all"]["jobs"], other["all"]["jobs"], strict=False))


def plain_values(value: Any, own: set[str], pointer: str = "") -> Iterator[tuple[str, str]]:
    """The definition of `values_of`, with nothing remembered."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from plain_values(item, own, f"{pointer}/{escape(name)}")
    elif isinstance(value, list) and value:
        theirs = [item for item in value if isinstance(item, dict | list) and own & set(texts(item))]
        for item in theirs or value[:MOST_ENTRIES]:
            yield from plain_values(item, own, f"{pointer}/*")
    else:
        yield pointer, canonical(value)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


@given(body=BODIES, own=st.sets(st.text(max_size=2), max_size=3))
def test_values_are_gathered_as_without_memory(body: Any, own: set[str]) -> None:
    own = own | set(list(texts(body))[:1])
    for _ in range(2):
        expected: dict[str, set[str]] = {}
        for pointer, text in plain_values(body, own):
            expected.setdefault(pointer, set()).add(text)
        assert values_of(body, own) == expected


def test_single_values_stand_outside_lists() -> None:
    assert single_values({"a": 1, "b": [{"c": 2}], "d": []}) == {"/a": {"1"}, "/d": {""}}


def refitted(learned: list[Any], value: Any) -> list[Misfit]:
    """The misfits by shapes that never met a value before."""
    shape = Shape()
    for body in learned:
        shape.learn(json.loads(json.dumps(body)))
    return list(shape.misfits(json.loads(json.dumps(value))))


@settings(max_examples=60)
@given(entries=st.lists(ENTRIES, min_size=1, max_size=8), data=st.data())
def test_a_shape_that_knows_entries_says_the_same(entries: list[Any], data: st.DataObject) -> None:
    shape, learned = Shape(), []
    picks = st.lists(st.sampled_from(entries), max_size=6)
    for _ in range(3):
        body, other = {"all": data.draw(picks)}, {"all": data.draw(picks)}
        shape.learn(body)
        learned.append(body)
        for _ in range(2):
            assert list(shape.misfits(other)) == refitted(learned, other)


def test_each_entry_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def counted(value: Any) -> str:
        nonlocal calls
        calls += 1
        return kind(value)

    def canonically(value: Any) -> str:
        nonlocal calls
        calls += 1
        return canonical(value)

    monkeypatch.setattr(shapes, "kind", counted)
    monkeypatch.setattr(renderings, "kind", counted)
    monkeypatch.setattr(renderings, "canonical", canonically)
    entries = [{"id": f"entry-{number}", "by": "x", "state": "done"} for number in range(300)]
    bodies = [decode(json.dumps({"jobs": entries[:count]}).encode()) for count in range(1, len(entries) + 1)]
    shape, kinds = Shape(), Kinds()
    for body in bodies:
        shape.learn(body)
        kinds.learn(body)
    for body in bodies:
        assert list(shape.misfits(body)) == []
        assert values_of(body, {body["jobs"][-1]["id"]})["/jobs/*/id"] == {body["jobs"][-1]["id"]}
    assert set(kinds.found) == {"", "/jobs", "/jobs/*", "/jobs/*/id", "/jobs/*/by", "/jobs/*/state"}
    assert calls < 40 * len(entries), "the cost must grow with the number of entries, not with its square"
