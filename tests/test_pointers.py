"""JSON pointers: any names make one, and come out of it as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.pointers import escape, names


@given(st.lists(st.text("~/01a ", max_size=4)))
def test_names_come_out_as_they_went_in(given_names: list[str]) -> None:
    assert names("".join(f"/{escape(name)}" for name in given_names)) == given_names


@pytest.mark.parametrize(
    ("pointer", "wanted"),
    [("", []), ("/", [""]), ("/foo/0", ["foo", "0"]), ("/a~1b", ["a/b"]), ("/m~0n", ["m~n"]), ("/~01", ["~1"])],
)
def test_the_examples_of_the_standard(pointer: str, wanted: list[str]) -> None:
    assert names(pointer) == wanted
