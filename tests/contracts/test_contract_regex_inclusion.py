"""Inclusion of patterns against trying every short string."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import example as given_example
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.contracts.regex_inclusion import Strings, Unsupported, counterexample, example

ATOMS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", "a?", "b*", "(?:ab)+", "a{1,2}", r"\d", "^", "$"])
PATTERNS = st.lists(ATOMS, min_size=1, max_size=4).map("".join) | st.builds(
    lambda left, right: f"^(?:{left}|{right})$", st.sampled_from(["a", "ab*", "b+"]), st.sampled_from(["b", "ba", ""])
)
TEXTS = ["".join(letters) for size in range(5) for letters in product("ab0", repeat=size)]


def _takes(strings: Strings, text: str) -> bool:
    fits = strings.least <= len(text) and (strings.most is None or len(text) <= strings.most)
    # In ECMA `$` is the end alone; in Python it also stands before a last newline, and `\Z` is the end.
    return fits and all(re.search(pattern.replace("$", r"\Z"), text) for pattern in strings.patterns)


@settings(deadline=None, max_examples=300)
@given(PATTERNS, PATTERNS, st.integers(0, 2), st.none() | st.integers(2, 4))
@given_example("a", ".$", 0, None)
def test_inclusion_agrees_with_trying(one: str, other: str, least: int, most: int | None) -> None:
    writer, reader = Strings((one,), 0, 4), Strings((other,), least, most)
    try:
        found = counterexample(writer, reader)
    except Unsupported:
        assert "^" in one[1:] + other[1:] or "$" in one[:-1] + other[:-1]
        return
    refused = [text for text in TEXTS if _takes(writer, text) and not _takes(reader, text)]
    if found is None:
        assert refused == []
    else:
        assert _takes(writer, found) and not _takes(reader, found)
        assert not refused or len(found) <= min(map(len, refused))


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", r"\bword", "(?i)a", "a{1000}", "(", "(?<!a)b"])
def test_what_is_not_regular_is_refused(pattern: str) -> None:
    with pytest.raises(Unsupported):
        counterexample(Strings((pattern,)), Strings(("a",)))


def test_digits_are_those_of_ecma() -> None:
    assert counterexample(Strings((r"^\d$",)), Strings(("^[0-9]$",))) is None
    assert counterexample(Strings((r"^\w$",)), Strings(("^[A-Za-z0-9_]$",))) is None


def test_an_example_is_a_shortest_string() -> None:
    assert example(Strings(("^[a-z]{3}[0-9]$",))) == "aaa0"
    assert example(Strings(("^a$", "^b$"))) is None
