"""Renderings: what is one value for a reader, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from verifier.checks.renderings import canonical, distinctive, same, sent_values, shown_at, values_of
from verifier.pointers import MISSING


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (1, "1", True),
        ("12.50", 12.5, True),
        ("1e3", 1000, False),
        ("007", 7, False),  # a name, whose zeros count
        (True, 1, False),
        (True, "true", True),
        ("", None, True),
        ([], None, True),
        (0, None, False),
        (0, -0.0, True),
        ("2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00", True),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+01:00", False),
        ("2026-13-02T03:04:05Z", "2026-13-02T03:04:05Z", True),
        ("a ", "a", True),
        ("a", "A", False),
        (10**400, 10**400, True),
        (float("inf"), float("inf"), True),
    ],
)
def test_renderings_of_one_value_are_equal(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal


def test_values_are_gathered_by_pointer_and_own_entries_stand_for_a_list() -> None:
    body = {"a": [{"id": "mine-123", "n": 1}, {"id": "other-99", "n": 2}], "b": {"c": True}, "d": []}
    assert values_of(body) == {
        "/a/*/id": {"mine-123", "other-99"}, "/a/*/n": {"1", "2"}, "/b/c": {"true"}, "/d": {""},
    }  # fmt: skip
    assert values_of(body, {"mine-123"})["/a/*/n"] == {"1"}


def test_forms_and_queries_are_sent_values_too() -> None:
    form = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)
    assert sent_values("/x?b=2", form, b"a=1.0&c=") == {"?b": {"2"}, "/a": {"1"}, "/c": {""}}
    assert sent_values("/x", (), b'{"a": [1, 2]}') == {"/a/*": {"1", "2"}}
    assert sent_values("/x", (), b"\xff") == {}


def test_a_value_is_found_at_a_pointer_through_lists() -> None:
    body = {"a": [{"n": "1"}, {"n": "2.0"}], "x/y": 3}
    assert shown_at(body, "/a/*/n") == "1"
    assert shown_at(body, "/a/*/n", "2") == "2.0"
    assert shown_at(body, "/x~1y") == 3
    assert shown_at(body, "/a/*/m") is MISSING


def test_ids_and_addresses_are_distinctive_and_small_words_and_amounts_are_not() -> None:
    shown = ("4f0c9a1e-7d1b", "ann.1@example.org", "pending", 12.5, "x1")
    assert [distinctive(canonical(value)) for value in shown] == [True, True, False, False, False]
