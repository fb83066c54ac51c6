"""Values and shapes: what a reader would miss, and what not."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.checks.shapes import Shape, body_kind, put
from verifier.checks.values import NOTHING, differences, leaves
from verifier.http.message import Response

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "b"]))
NAMES = st.sampled_from(["id", "name", "a", "b"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)


@given(JSON)
def test_a_value_is_equal_to_itself(value: Any) -> None:
    assert list(differences(value, value)) == []


@given(JSON, st.integers(0, 5))
def test_what_is_added_and_what_is_in_another_order_is_no_loss(value: Any, seed: int) -> None:
    assert list(differences(value, grown(value, random.Random(seed)))) == []


def grown(value: Any, draw: random.Random) -> Any:
    """The same with a new field in every object and every list of scalars shuffled and longer."""
    if isinstance(value, dict):
        return {**{name: grown(item, draw) for name, item in value.items()}, "new": 1}
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return draw.sample([*value, "more"], len(value) + 1)
    return [grown(item, draw) for item in value] if isinstance(value, list) else value


@given(JSON, SCALARS, st.integers(0, 30))
def test_a_scalar_that_changes_is_found_where_it_stands(value: Any, other: Any, at: int) -> None:
    """Every scalar outside lists is looked at."""
    places = [pointer for pointer, _ in leaves(value) if "*" not in pointer]
    if not places:
        return
    pointer = places[at % len(places)]
    changed = put(value, pointer, other) if pointer else other
    found = list(differences(value, changed))
    was = dict(leaves(value))[pointer]
    assert [entry[0] for entry in found] == ([] if dict(leaves(changed)).get(pointer) == was else [pointer])


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (1, True, [("", 1, True)]),
        (1, 2, [("", 1, 2)]),
        (1, 1.0, []),
        ({"a": [1, {"b": 2.0}]}, {"a": [1.0, {"b": 2}]}, []),
        ({"a": 1}, {}, []),
        ({"a": 1}, None, [("", {"a": 1}, None)]),
        ({"a": [1, 1]}, {"a": [1]}, [("/a", [1, 1], [1])]),
        ([{"id": 1}, {"id": 2}], [{"id": 2}], [("/*", {"id": 1}, NOTHING)]),
        ([{"id": 1, "v": 1}], [{"id": 9, "v": 9}, {"id": 1, "v": 2}], [("/*/v", 1, 2)]),
        ([{"v": 1}], [{"v": 2}], [("/*/v", 1, 2)]),
        ([{"v": 1}, {"v": 2}], [{"v": 2}, {"v": 1}], []),
        ([{"v": 1}, {"v": 2}], [{"v": 2}], [("", [{"v": 1}, {"v": 2}], [{"v": 2}])]),
        ([], [1], []),
        ([1], [], [("", [1], [])]),
        ([[1], [2]], [[1], [3]], [("/*", [2], [3])]),
    ],
)
def test_differences(before: Any, after: Any, found: list[Any]) -> None:
    assert list(differences(before, after)) == found


@given(st.lists(JSON, min_size=1, max_size=4))
def test_a_shape_fits_everything_that_it_was_learned_from(values: list[Any]) -> None:
    shape = Shape()
    for value in values:
        shape.learn(value)
    assert [list(shape.misfits(value)) for value in values] == [[] for _ in values]


@given(st.lists(JSON, min_size=1, max_size=3), JSON)
def test_what_is_learned_never_narrows_a_shape(values: list[Any], more: Any) -> None:
    """A value that fits goes on fitting when more was seen, but where lists or objects were not seen before."""
    shape = Shape()
    for value in values:
        shape.learn(value)
    shape.learn(more)
    for value in values:
        assert list(shape.misfits(value)) == []


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (Response(204), "no body"),
        (Response(200, (("Content-Type", "application/json"),), b'{"a": 1}'), "JSON"),
        (Response(200, (("Content-Type", "application/problem+json; charset=utf-8"),), b"1"), "JSON"),
        (Response(200, (("Content-Type", "application/json"),), b'{"a"'), "JSON that cannot be read"),
        (Response(200, (("Content-Type", "application/json"), ("Content-Encoding", "gzip")), b"\x1f\x8b"), "JSON"),
        (Response(200, (("Content-Type", "text/plain"),), b'{"a": 1}'), "JSON"),
        (Response(200, (("Content-Type", "text/plain"),), b"1"), "text/plain"),
        (Response(200, (("Content-Type", "Text/HTML; charset=x"),), b"<p>"), "text/html"),
        (Response(200, (), b"x"), "without a media type"),
    ],
)
def test_kinds_of_bodies(response: Response, kind: str) -> None:
    assert body_kind(response) == kind


def test_put_reaches_every_entry_of_a_list_and_changes_nothing_else() -> None:
    value = {"a": [{"b": 1}, {"c": 2}], "d": 3}
    assert put(value, "/a/*/b", 9) == {"a": [{"b": 9}, {"c": 2, "b": 9}], "d": 3}
    assert put(value, "/x/y", 9) == {**value, "x": None}
    assert value == {"a": [{"b": 1}, {"c": 2}], "d": 3}


def test_names_with_slashes_are_escaped_in_pointers() -> None:
    (found,) = differences({"a/b": {"c~d": 1}}, {"a/b": {"c~d": 2}})
    assert found == ("/a~1b/c~0d", 1, 2)
    assert put({"a/b": {"c~d": 1}}, found[0], 2) == {"a/b": {"c~d": 2}}
