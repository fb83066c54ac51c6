"""Rates: a control excuses a defect only as often as it shows it."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checks.history_builder import NEW, OLD, HistoryBuilder
from verifier.checks.rates import SIGNIFICANCE, Rate, excess


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 6), st.integers(0, 5), st.integers(0, 6))
def test_the_excess_is_what_counting_every_way_gives(tries: int, failed: int, control_tries: int) -> None:
    """Of all ways to spread the failures over the tries, how many put at least so many into the first ones."""
    total = tries + control_tries
    failed = min(failed, total)
    ways = list(combinations(range(total), failed))
    for failures in range(max(0, failed - control_tries), min(failed, tries) + 1):
        at_least = sum(sum(place_order < tries for place_order in way) >= failures for way in ways)
        found = excess(failures, tries, failed - failures, control_tries)
        assert found == pytest.approx(at_least / len(ways))


@pytest.mark.parametrize(
    ("shown", "control", "excused"),
    [
        (Rate(7, 16), Rate(1, 160), False),  # worse in the mixture
        (Rate(7, 16), Rate(60, 160), True),
        (Rate(1, 16), Rate(1, 160), True),
        (Rate(1, 160), Rate(0, 160), False),  # a control that never shows it excuses nothing
        (Rate(16, 16), Rate(16, 16), True),
        (Rate(16, 16), Rate(1, 1), True),
    ],
)
def test_a_control_excuses_what_it_shows_as_often(shown: Rate, control: Rate, excused: bool) -> None:
    assert (control.chance(shown) >= SIGNIFICANCE) is excused


def losing(of_mixture: int, of_control: int) -> HistoryBuilder:
    """A write that the services fail now and then: so many of 20 in the mixture, and of 100 in the control."""
    builder = HistoryBuilder()
    for phase, version, tries, lost in (
        ("control-old", OLD, 100, of_control),
        ("control-new", NEW, 20, 0),
        ("forward", NEW, 20, of_mixture),
    ):
        builder.step(phase)  # type: ignore[arg-type]
        for number in range(tries):
            builder.send("POST /a", version, None if number < lost else 201)
        if phase == "forward":
            builder.send("POST /a", OLD, 201)
    return builder


@pytest.mark.parametrize(("of_mixture", "attribution"), [(8, "mixed"), (1, "pre-existing")])
def test_one_failure_in_a_control_does_not_excuse_many(of_mixture: int, attribution: str) -> None:
    judged = losing(of_mixture, of_control=1).judge()
    found = {entry.attribution for entry in judged.violations if entry.guarantee == "available"}
    assert attribution in found
    assert judged.verdict == ("fail" if attribution == "mixed" else "pass")
    attributions = next(entry.rate for entry in judged.violations if entry.attribution == attribution)
    assert f"seen in {of_mixture if attribution == 'mixed' else 1} of" in attributions


def losing_through(version: str, lost: int, control_lost: int = 2) -> HistoryBuilder:
    """A mixture in which one version fails a write `lost` times of 7, and the other one once of 12, as controls do."""
    builder = HistoryBuilder()
    for phase, by, tries, failures in (("control-old", OLD, 32, control_lost), ("control-new", NEW, 32, control_lost)):
        builder.step(phase)  # type: ignore[arg-type]
        for number in range(tries):
            builder.send("POST /a", by, None if number < failures else 201)
    builder.step("forward")
    other = OLD if version == NEW else NEW
    for by, tries, failures in ((version, 7, lost), (other, 12, 1)):
        for number in range(tries):
            builder.send("POST /a", by, None if number < failures else 201)
    return builder


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize(("lost", "told"), [(5, {"pre-existing", "mixed"}), (1, {"pre-existing"})])
def test_what_one_version_serves_is_compared_by_itself(version: str, lost: int, told: set[str]) -> None:
    """All tries together, 6 of 19, would be excused by 2 of 32."""
    assert Rate(2, 32).chance(Rate(6, 19)) >= SIGNIFICANCE
    judged = losing_through(version, lost).judge()
    found = [entry for entry in judged.violations if entry.guarantee == "available"]
    assert {entry.attribution for entry in found} == told
    assert judged.verdict == ("fail" if "mixed" in told else "pass")
    if "mixed" in told:
        rate = next(entry.rate for entry in found if entry.attribution == "mixed")
        assert rate.startswith(f"seen in 5 of 7 tries through {version}; with all old 2 of 32")


@pytest.mark.parametrize(("lost", "doubtful"), [(3, True), (1, False)])
def test_an_excuse_by_few_tries_is_in_doubt(lost: int, doubtful: bool) -> None:
    """Neither certain enough to fail, nor likely enough to be excused without more tries."""
    builder = losing_through(NEW, lost)
    judged = builder.judge()
    assert judged.verdict == "pass"
    (found,) = [entry for entry in judged.violations if entry.guarantee == "available"]
    assert found.doubtful is doubtful
    assert found.step == builder.steps[-1].id, "the mixture's, so that it can be tried again there"


def test_what_old_excuses_is_not_laid_to_the_new_version_that_does_not_get_there() -> None:
    """The new version's own control ends at the login, so nobody knows what it does later; what old shows is known."""
    builder = HistoryBuilder()
    for phase, by, tries, failures in (("control-old", OLD, 32, 2), ("control-new", NEW, 3, 0)):
        builder.step(phase)  # type: ignore[arg-type]
        for number in range(tries):
            builder.send("POST /login", by, 303 if by == OLD else 403)
            if by == OLD:
                builder.send("POST /a", by, None if number < failures else 201, index=1)
    builder.step("forward")
    for by, tries, failures in ((NEW, 7, 5), (OLD, 12, 1)):
        for number in range(tries):
            builder.send("POST /a", by, None if number < failures else 201, index=1)
    found = {entry.attribution: entry for entry in builder.judge().violations if entry.guarantee == "available"}
    assert set(found) == {"pre-existing", "new-version"}
    told = "; the new version by itself does not get this far"
    assert found["new-version"].message.endswith(told)
    assert not found["pre-existing"].message.endswith(told)
