"""The search finds parts that cannot be made smaller, compared with all parts where there are few items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from verifier.shrink.ddmin import Needs, ddmin, with_needed, without

SIZES = st.integers(1, 8)


@st.composite
def inputs(draw: st.DrawFn) -> tuple[int, dict[int, set[int]]]:
    """So many items, each of which may need earlier ones."""
    size = draw(SIZES)
    needs = {at: draw(st.sets(st.integers(0, at - 1), max_size=2)) for at in range(1, size)}
    return size, needs


def _search(
    items: Sequence[int], needs: Needs[int], shows: Callable[[frozenset[int]], bool], least: frozenset[int]
) -> tuple[tuple[int, ...], list[frozenset[int]]]:
    """What the search returns, and every candidate that it asked for."""
    search, asked, answer = ddmin(items, needs, least), [], None
    try:
        while True:
            candidates = search.send(answer)
            asked += [frozenset(candidate) for candidate in candidates]
            answer = next((at for at, entry in enumerate(candidates) if shows(frozenset(entry))), None)
    except StopIteration as ended:
        found: tuple[int, ...] = ended.value
        return found, asked


def _closed(items: frozenset[int], needs: Needs[int]) -> bool:
    return all(needs.get(item, set()) <= items for item in items)


@given(inputs(), st.data())
def test_what_is_needed_for_a_failure_is_what_remains(
    made: tuple[int, dict[int, set[int]]], data: st.DataObject
) -> None:
    size, needs = made
    wanted = with_needed(data.draw(st.sets(st.integers(0, size - 1), min_size=1)), needs)
    found, asked = _search(range(size), needs, lambda part: wanted <= part, frozenset())
    assert frozenset(found) == wanted
    assert list(found) == sorted(found)
    assert all(_closed(part, needs) for part in asked)
    assert len(asked) == len(set(asked))


@given(inputs(), st.data())
def test_no_item_can_be_removed_from_the_result(made: tuple[int, dict[int, set[int]]], data: st.DataObject) -> None:
    """Any failure that the whole shows: each closed part shows it or not, as drawn."""
    size, needs = made
    whole = frozenset(range(size))
    every = [frozenset(part) for count in range(1, size + 1) for part in combinations(range(size), count)]
    closed = [part for part in every if _closed(part, needs)]
    showing = {whole, *data.draw(st.sets(st.sampled_from(closed), max_size=40))}
    least = frozenset({0}) if data.draw(st.booleans()) else frozenset()
    found, asked = _search(range(size), needs, lambda part: part in showing, least)
    assert frozenset(found) in showing and least <= frozenset(found)
    smaller = [without(frozenset(found), frozenset({item}), needs) for item in found if item not in least]
    assert not any(part in showing for part in smaller if part and least <= part)
    assert len(asked) <= len(closed)


@given(inputs(), st.data())
def test_closed_parts_are_found_as_by_trying_all(made: tuple[int, dict[int, set[int]]], data: st.DataObject) -> None:
    size, needs = made
    every = [frozenset(part) for count in range(size + 1) for part in combinations(range(size), count)]
    closed = [part for part in every if _closed(part, needs)]
    some = frozenset(data.draw(st.sets(st.integers(0, size - 1))))
    assert with_needed(some, needs) == min((part for part in closed if some <= part), key=len)
    whole = frozenset(range(size))
    assert without(whole, some, needs) == max((part for part in closed if not part & some), key=len)


def test_one_item_is_not_searched() -> None:
    assert _search([4], {}, lambda part: True, frozenset()) == ((4,), [])


def test_what_is_known_to_hide_the_failure_is_not_asked_for() -> None:
    search = ddmin([1, 2, 3, 4], {}, hidden=[(1,), (2, 1)])
    asked = {frozenset(candidate) for candidate in next(search)}
    assert asked == {frozenset({3, 4})}
