"""Pairs are counted without walking over them, and are the same ones."""

from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from verifier.plan.route_coverage import Row, SessionRoutes, covered_pairs

VERSIONS = st.sampled_from([None, "", "1", "2", "3"])
STATES = st.lists(st.tuples(*[st.sampled_from([("1",), ("2",), ("1", "2"), ("2", "1"), ("1", "2", "3")])] * 3))


def walked(rows: list[tuple[str | None, ...]]) -> int:
    """The same count, pair by pair."""
    return len(
        {
            (first, second, row[first], row[second])
            for row in rows
            for first, second in combinations(range(len(row)), 2)
            if row[first] is not None and row[second] is not None
        }
    )


@given(st.integers(0, 9).flatmap(lambda width: st.lists(st.tuples(*[VERSIONS] * width), max_size=8)))
def test_count_agrees_with_a_walk_over_all_pairs(rows: list[tuple[str | None, ...]]) -> None:
    assert covered_pairs(rows) == walked(rows)


@given(services=st.lists(st.sampled_from("abc"), min_size=1, max_size=7), states=STATES, draw=st.data())
def test_a_session_counts_over_all_of_its_steps(
    services: list[str], states: list[tuple[tuple[str, ...], ...]], draw: st.DataObject
) -> None:
    session, rows, possible = SessionRoutes(services), list[Row](), set()
    for state in states:
        live = dict(zip("abc", state, strict=True))
        added = draw.draw(st.lists(st.tuples(*[st.sampled_from(live[service]) for service in services]), max_size=4))
        session.add(live, added)
        rows += added
        for first, second in combinations(range(len(services)), 2):
            versions = product(live[services[first]], live[services[second]])
            possible |= {(first, second, one, other) for one, other in versions}
    assert session.covered == walked(list(rows))
    assert session.total == len(possible)


def test_a_long_session_is_counted_whole() -> None:
    rows = [("1",) * 3000, ("2",) * 3000, ("1", "2") * 1500]
    same, mixed = 3000 * 2999 // 2, 1500 * 1500
    within = 2 * (1500 * 1499 // 2)  # in the third row two that have one version show nothing new
    assert covered_pairs(rows) == 2 * same + mixed
    assert covered_pairs(rows[2:]) == within + mixed
