"""Replicas that are told to end while requests still come: what they drop or refuse is laid to whoever does so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.checks.history_builder import NEW, OLD, HistoryBuilder
from verifier.checks.verdict import Judgement

Told = set[tuple[str, str]]
REFUSED, CUT = "late-removal", "late-removal-in-hand"


def ended(builder: HistoryBuilder, version: str, bad: dict[str, str], requests: int = 20) -> None:
    """One replica of a version is told to end. `bad`: the error for what it has in hand, and for what comes then."""
    replica = builder.fresh(f"orders-{version}-")
    name = {"source": "live", "replica": replica}
    builder.send("GET /things/1", version, 200, **name)  # type: ignore[arg-type]
    builder.event("terminating", version)
    builder.events[-1] = type(builder.events[-1])(
        builder.events[-1].step, replica, "orders", version, "terminating", builder.clock
    )
    for fault, count in ((CUT, 1), (REFUSED, requests)):
        for number in range(count):
            error = bad.get(fault, "") if fault == CUT or number else ""  # the first one still comes through
            answer = int(error) if error.isdigit() else None if error else 200
            more: dict[str, Any] = {"error": "" if error.isdigit() else error, "fault": fault}
            builder.send("GET /things/1", version, answer, **name, **more)  # type: ignore[arg-type]


def judged(old: dict[str, str], new: dict[str, str], *, undisturbed: int = 200) -> Judgement:
    """Two ends in the controls of old, one in that of new, and one of each version in the mixture."""
    builder = HistoryBuilder()
    plan: list[tuple[Any, tuple[str, ...]]] = [
        ("control-old", (OLD,)),
        ("control-old", (OLD,)),
        ("control-new", (NEW,)),
        ("forward", (OLD, NEW)),
    ]
    for phase, versions in plan:
        builder.step(phase)
        for version in versions:
            builder.send("GET /things/1", version, undisturbed)
            ended(builder, version, old if version == OLD else new)
    return builder.judge()


def told(judgement: Judgement) -> Told:
    return {(violation.attribution, violation.message.partition(":")[0]) for violation in judgement.violations}


def sentence(version: str, what: str) -> str:
    return f"orders {version} {what}"


DROPS = "drops a request that it has in hand when it is told to end"
REFUSES = "refuses requests when it is told to end, before it is out of rotation"


def test_replicas_that_serve_on_pass() -> None:
    judgement = judged({}, {})
    assert (judgement.verdict, judgement.violations) == ("pass", ())


@pytest.mark.parametrize("error", ["refused", "closed", "reset", "timeout", "503"])
def test_a_new_version_that_refuses_too_early(error: str) -> None:
    assert told(judged({}, {REFUSED: error})) == {("new-version", sentence(NEW, REFUSES))}


@pytest.mark.parametrize("error", ["closed", "reset", "502"])
def test_a_new_version_that_drops_what_it_has_in_hand(error: str) -> None:
    assert told(judged({}, {CUT: error})) == {("new-version", sentence(NEW, DROPS))}


def test_what_old_does_as_well_is_no_news() -> None:
    found = judged({REFUSED: "refused"}, {REFUSED: "reset"})
    assert found.verdict == "pass"
    assert told(found) == {("pre-existing", sentence(OLD, REFUSES))}


def test_that_old_refuses_excuses_no_new_version_that_drops_what_it_has_in_hand() -> None:
    found = told(judged({REFUSED: "refused"}, {REFUSED: "refused", CUT: "closed"}))
    assert found == {("pre-existing", sentence(OLD, REFUSES)), ("new-version", sentence(NEW, DROPS))}


def test_an_old_version_that_refuses_where_the_new_one_does_not() -> None:
    assert told(judged({REFUSED: "refused"}, {})) == {("pre-existing", sentence(OLD, REFUSES))}


def test_the_same_requests_without_a_signal_are_as_bad_as_ever() -> None:
    """Its twin: only what a replica gets that is told to end is excused by ends."""

    def mixture(refused: Callable[[HistoryBuilder], None]) -> Judgement:
        builder = HistoryBuilder()
        for phase, version in (("control-old", OLD), ("control-old", OLD), ("control-new", NEW), ("forward", NEW)):
            builder.step(phase)  # type: ignore[arg-type]
            builder.send("GET /things/1", version)
            ended(builder, version, {REFUSED: "refused"})
        refused(builder)
        return builder.judge()

    def without_signal(builder: HistoryBuilder) -> None:
        for _ in range(5):
            builder.send("GET /things/1", NEW, None, error="refused", source="live")

    found = {entry.attribution for entry in mixture(without_signal).violations}
    assert "mixed" in found
    assert {entry.attribution for entry in mixture(lambda builder: None).violations} == {"pre-existing"}


def test_what_is_answered_5xx_anyway_says_nothing_about_the_end() -> None:
    found = judged({REFUSED: "500"}, {REFUSED: "500"}, undisturbed=500)
    assert not [message for _, message in told(found) if "told to end" in message]


def test_an_end_is_one_try_however_many_requests_met_it() -> None:
    """Many refused requests of one end in the mixture, and few in a control, are as often."""
    builder = HistoryBuilder()
    for phase, count in (("control-old", 2), ("control-old", 2), ("control-new", 2), ("forward", 200)):
        builder.step(phase)  # type: ignore[arg-type]
        for version in {"control-old": (OLD,), "control-new": (NEW,)}.get(phase, (OLD, NEW)):
            builder.send("GET /things/1", version)
            ended(builder, version, {REFUSED: "refused"}, count)
    found = builder.judge()
    assert {entry.attribution for entry in found.violations} == {"pre-existing"}
    assert [entry.count for entry in found.violations] == [5]
