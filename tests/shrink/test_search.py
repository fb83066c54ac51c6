"""The search over states and parts, with answers that are known: what is needed remains, and the budget holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan.systems import SESSIONS, shop
from tests.shrink.test_units import _replayed as replayed
from verifier.plan.model import Fault, Plan
from verifier.plan.planner import plan
from verifier.shrink.search import Search, Smallest, earlier, told_size
from verifier.shrink.sought import Sighting
from verifier.shrink.trial import Candidate, States
from verifier.shrink.units import FAULT, Item, Replayed, items

PLAN = plan(shop(rollback="every-state"), SESSIONS, 0)
LOST = Fault("lost-answer", 2, "PUT /orders/{}/note", "1", "2")
STEPS = [step.id for path in PLAN.paths if path.kind == "rollout" for step in path.steps]


@dataclass(slots=True)
class Known:
    """Stands for `Bench`: a candidate shows the violation if it has all `wanted` in all `needed` states."""

    wanted: frozenset[Item]
    needed: frozenset[str]
    live: bool = False
    shown: int = 5
    replays: tuple[Replayed, ...] = field(default_factory=lambda: (replayed(LOST, shown=(0, 2)),))
    plan: Plan = PLAN
    runs: int = 0
    asked: list[tuple[States, Candidate]] = field(default_factory=list)

    def sightings(self, states: States, candidates: Sequence[Candidate]) -> list[Sighting]:
        self.runs += 1
        self.asked += [(states, candidate) for candidate in candidates]
        possible = self.needed <= set(states.kept) and (states.live or not self.live)
        return [Sighting(self.shown if possible and self.wanted <= set(entry) else 0, 5) for entry in candidates]


def _found(known: Known, steps: Sequence[str], budget: float = 1000.0, ticks: float = 0.0) -> Smallest | None:
    def clock() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += ticks

    times = clock()
    bench: Any = known
    return Search(bench, budget, lambda sentence: None, lambda: next(times)).run(steps)


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from([(0, FAULT), (0, 0), (0, 1), (0, 2), (0, 3)])), st.booleans())
def test_what_is_needed_is_what_remains(drawn: set[Item], live: bool) -> None:
    wanted = drawn or {(0, 0)}
    if (0, FAULT) in wanted:
        wanted |= {(0, 2)}
    if wanted & {(0, 1), (0, 2)}:
        wanted |= {(0, 0)}
    found = _found(Known(frozenset(wanted), frozenset({STEPS[3]}), live), [STEPS[3]])
    assert found is not None and found.minimal
    assert set(found.candidate) == wanted
    assert found.states.kept == (STEPS[3],) and found.states.live is live


def test_states_before_the_evidence_are_taken_in_where_they_are_needed() -> None:
    known = Known(frozenset({(0, 0)}), frozenset({STEPS[1], STEPS[4]}))
    found = _found(known, [STEPS[4]])
    assert found is not None
    assert found.states == States((STEPS[1], STEPS[4]))
    assert found.candidate == ((0, 0),)
    assert [larger for larger in found.larger if set(larger[1]) > {(0, 0)} or len(larger[0].kept) > 2]


def test_what_never_shows_is_not_found() -> None:
    known = Known(frozenset({(7, 7)}), frozenset())
    assert _found(known, [STEPS[4]]) is None
    assert {states.live for states, _ in known.asked} == {False, True}


def test_a_rare_violation_is_compared_with_its_own_rate() -> None:
    found = _found(Known(frozenset({(0, 0)}), frozenset(), shown=1), [STEPS[4]])
    assert found is not None and found.candidate == ((0, 0),) and found.sighting == Sighting(1, 5)


def test_a_search_that_runs_out_of_time_says_so() -> None:
    known = Known(frozenset({(0, 2), (0, 0), (0, 3)}), frozenset())
    found = _found(known, [STEPS[4]], budget=3.0, ticks=1.0)
    assert found is not None and not found.minimal
    assert known.runs == 1
    assert _found(Known(frozenset(), frozenset()), [STEPS[4]], budget=-1.0) is None


def test_no_part_is_tried_twice_in_the_same_states() -> None:
    known = Known(frozenset({(0, 2), (0, 0)}), frozenset({STEPS[2]}))
    assert _found(known, [STEPS[2]]) is not None
    assert len(known.asked) == len({(states, frozenset(candidate)) for states, candidate in known.asked})


def test_earlier_steps_are_those_of_the_same_path() -> None:
    assert earlier(PLAN, [STEPS[2]]) == STEPS[:3]


@pytest.mark.parametrize(
    ("candidate", "told"),
    [(((0, 0),), "1 exchange and no faults"), (((0, FAULT), (0, 0), (0, 1)), "2 exchanges and 1 fault")],
)
def test_sizes_are_told_in_words(candidate: Candidate, told: str) -> None:
    assert told_size(candidate) == told
    assert items((replayed(LOST),))[0] == (0, FAULT)
