"""What checks ask in short for most operations says the same as the long form, which is the oracle here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from history_builder import NEW, OLD, HistoryBuilder
from hypothesis import given
from hypothesis import strategies as st
from test_check_acknowledged import as_written, bills

from verifier.checks.carried import telling, words
from verifier.checks.context import Context
from verifier.checks.expected import Expectations
from verifier.checks.renderings import canonical, values_of
from verifier.checks.shapes import Shape
from verifier.contracts.shared_json import loads
from verifier.pointers import escape

TEXTS = st.sampled_from(["", "a", " 1.0", "id-1234567"])
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | TEXTS | st.just(0.5)
NAMES = st.sampled_from(["a", "b", "id", "a/b"])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


@given(st.lists(VALUES, max_size=4), VALUES)
def test_a_value_fits_a_shape_where_it_has_no_misfit(seen: list[Any], value: Any) -> None:
    shape, again = Shape(), Shape()
    for item in seen:
        shape.learn(item)
        again.learn(item)
    assert shape.fits(value) is (list(again.misfits(value)) == [])
    assert all(shape.fits(item) for item in seen)


@given(VALUES, st.sets(st.sampled_from(["a", "id-1234567"])))
def test_the_values_of_a_body_are_those_gathered_one_by_one(value: Any, own: set[str]) -> None:
    found: dict[str, set[str]] = {}
    gathered(value, "", own, found)
    assert values_of(value, own) == found


def gathered(value: Any, pointer: str, own: set[str], found: dict[str, set[str]]) -> None:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            gathered(item, f"{pointer}/{escape(name)}", own, found)
    elif isinstance(value, list) and value:
        theirs = [item for item in value if isinstance(item, dict | list) and own & set(texts_in(item))]
        for item in theirs or value:
            gathered(item, f"{pointer}/*", own if theirs else set(), found)
    else:
        found.setdefault(pointer, set()).add(canonical(value))


def texts_in(value: Any) -> list[str]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in items for text in ([item] if isinstance(item, str) else texts_in(item))]


@given(VALUES | st.floats(), st.booleans())
def test_bodies_are_decoded_as_by_the_standard_library(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert repr(loads(text)) == repr(json.loads(text))


@pytest.mark.parametrize("text", [b"NaN", b'"\\ud800"', b"1e999", b"123456789012345678901234567890", b"\xef\xbb\xbf1"])
def test_what_only_the_standard_library_decodes_is_decoded(text: bytes) -> None:
    assert repr(loads(text)) == repr(json.loads(text))


@given(st.text(alphabet="ab1 _.-/~é", max_size=40), st.sets(st.text(alphabet="ab1_.-~", min_size=6, max_size=12)))
def test_wanted_words_are_those_of_all_words(text: str, others: set[str]) -> None:
    every = list(words(text))
    wanted = {*every[::2], *filter(telling, others)}
    assert list(words(text, wanted)) == [word for word in every if word in wanted]


@pytest.mark.parametrize("broken", [False, True])
def test_readings_as_expected_are_those_without_a_finding(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(scenario: Any, version: str, amount: str) -> str:
        return "7" if broken and scenario.broken else amount

    told = bills(as_written, "rollback", swept=shown)
    monkeypatch.setattr(Expectations, "met", lambda self, reading, expected: False)
    monkeypatch.setattr(Expectations, "repeats", lambda self, operation: False)
    assert bills(as_written, "rollback", swept=shown) == told


def test_groups_have_every_operation_once_and_in_order() -> None:
    builder = HistoryBuilder()
    builder.step("control-old")
    sent = [builder.send("GET /a", OLD, 200), builder.send("POST /b", OLD, 500), builder.send("GET /a", OLD, 200)]
    builder.step("forward")
    sent += [builder.send("GET /a", NEW, None), builder.send("GET /a", OLD, 200, source="live")]
    context = Context(builder.history(), builder.registry)
    groups = context.groups
    assert list(groups.operations(lambda group: True)) == sent
    assert [operation for _, operation in groups.pairs(lambda group: group.method == "GET")] == [
        operation for operation in sent if operation.request.method == "GET"
    ]
    assert list(groups.operations(lambda group: group.failed)) == [sent[1], sent[3]]
    assert sum(group.count for group in groups.all) == len(sent)
    for group, operation in groups.pairs(lambda group: True):
        assert (group.step, group.source, group.version, group.name) == (
            operation.step,
            operation.source,
            operation.version,
            operation.name,
        )
        assert group.path == context.path(operation) and group.phase == context.phase(operation)
