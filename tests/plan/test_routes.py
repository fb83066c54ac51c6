"""Routes cover every pair of operations × every pair of versions, in the fewest rows."""

from itertools import combinations, product
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.plan.routes import covered, fewest_rows, routes


def missing(rows: tuple[tuple[int, ...], ...], versions: int, strength: int) -> int:
    """Counted the slow way: what no row shows."""
    operations = len(rows[0])
    total = 0
    for group in combinations(range(operations), strength):
        seen = {tuple(row[at] for at in group) for row in rows}
        total += versions**strength - len(seen)
    return total


def test_optimum_for_every_number_of_operations_up_to_126() -> None:
    for operations in range(2, 127):
        rows = routes(operations, 2)
        # Katona, Kleitman and Spencer: N rows suffice for at most C(N-1, ceil(N/2)) operations.
        least = next(n for n in range(4, 20) if comb(n - 1, -(-n // 2)) >= operations)
        assert len(rows) == least == fewest_rows(operations), operations
        done, total = covered(rows, 2)
        assert done == total == comb(operations, 2) * 4


def test_the_numbers_that_are_promised() -> None:
    assert [len(routes(operations, 2)) for operations in (2, 3, 10, 35, 126)] == [4, 4, 6, 8, 10]


@pytest.mark.parametrize("operations", [2, 3, 4])
def test_no_smaller_set_of_rows_exists(operations: int) -> None:
    fewer = fewest_rows(operations) - 1
    everything = list(product(range(2), repeat=operations))
    assert all(missing(rows, 2, 2) for rows in combinations(everything, fewer))
    assert missing(routes(operations, 2), 2, 2) == 0


@given(operations=st.integers(2, 60), versions=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_every_pair_meets_every_pair(operations: int, versions: int) -> None:
    rows = routes(operations, versions)
    assert all(len(row) == operations and all(0 <= cell < versions for cell in row) for row in rows)
    done, total = covered(rows, versions)
    assert done == total
    assert len(set(rows)) == len(rows)


@given(operations=st.integers(1, 9), versions=st.integers(1, 4), strength=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_strength(operations: int, versions: int, strength: int) -> None:
    rows = routes(operations, versions, strength)
    assert missing(rows, versions, min(strength, operations)) == 0


@given(rows=st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=1, max_size=12))
def test_counting_agrees_with_counting_slowly(rows: list[tuple[int, ...]]) -> None:
    done, total = covered(rows, 3)
    assert total - done == missing(tuple(rows), 3, 2)


@pytest.mark.parametrize(
    ("operations", "versions", "best"),
    # The best known sizes (C. Colbourn's tables of covering array numbers).
    [(4, 3, 9), (5, 3, 11), (10, 3, 14), (20, 3, 15), (5, 4, 16), (6, 4, 19), (6, 5, 25)],
)
def test_near_the_best_known_for_more_versions(operations: int, versions: int, best: int) -> None:
    assert best <= len(routes(operations, versions)) <= 1.5 * best


def test_products_are_used_where_they_are_smaller() -> None:
    assert len(routes(20, 4)) == 16 + 12
    assert len(routes(30, 5)) == 25 + 20


def test_small_cases() -> None:
    assert routes(0, 2) == ()
    assert routes(1, 3) == ((0,), (1,), (2,))
    assert routes(7, 1) == ((0,) * 7,)
    assert covered((), 2) == (0, 0)
    assert routes(10, 2)[0] == (0,) * 10


@pytest.mark.parametrize(("operations", "versions", "strength"), [(-1, 2, 2), (3, 0, 2), (3, 2, 0)])
def test_nonsense_is_refused(operations: int, versions: int, strength: int) -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        routes(operations, versions, strength)


def test_deterministic() -> None:
    first = routes(23, 4)
    routes.cache_clear()
    assert routes(23, 4) == first
