"""A process that ends while its leader lives on: found where the controls keep it, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.checks.history_builder import NEW, OLD, PHASES, HistoryBuilder, attributions
from verifier.checks.verdict import Judgement
from verifier.history.model import Phase, ReplicaEvent

MAILER = "python crew.py mail"
Looks = tuple[int, ...]  # how many mailers each look shows, in one replica


def judged(looks: Mapping[tuple[Phase, str], Looks], role: Mapping[str, str] | None = None) -> Judgement:
    """One replica of each version that a phase has, with looks of its own; by default one mailer for ever."""
    builder = HistoryBuilder()
    for phase in PHASES:
        step = builder.step(phase)
        live = {"control-new": (NEW,), "forward": (OLD, NEW)}.get(phase, (OLD,))
        for version in live:
            builder.send("GET /things/1", version)
            last = 0
            for count in looks.get((phase, version), (1,)):
                what = "child-ended" if count < last else "children"
                detail = f"{count} {(role or {}).get(version, MAILER)}"
                name, last = f"{step}-{version}", count
                log = "ValueError: no line to mail" if what == "child-ended" else ""
                builder.events.append(ReplicaEvent(step, name, "orders", version, what, builder.clock, detail, log))
    return builder.judge()


def test_a_process_that_lasts_everywhere_is_no_finding() -> None:
    assert (judged({}).verdict, attributions(judged({}))) == ("pass", set())


@pytest.mark.parametrize(
    ("phase", "version", "looks", "wanted"),
    [
        ("forward", OLD, (1, 0), {("available", "mixed")}),
        ("forward", NEW, (1, 0), {("available", "mixed")}),
        ("forward", NEW, (0,), {("available", "mixed")}),
        ("rollback", OLD, (1, 0), {("rollback safe", "rollback")}),
        ("control-new", NEW, (1, 0), {("available", "new-version")}),
        ("control-old", OLD, (1, 0), {("available", "pre-existing")}),  # the new version keeps it
    ],
)
def test_a_process_that_the_controls_keep_is_missed(
    phase: Phase, version: str, looks: Looks, wanted: set[tuple[str, str]]
) -> None:
    judgement = judged({(phase, version): looks})
    assert attributions(judgement) == wanted
    assert judgement.verdict == ("pass" if phase == "control-old" else "fail")


@pytest.mark.parametrize(
    ("phase", "wanted"),
    [("forward", {("available", "mixed")}), ("control-upgrade", {("available", "upgrade")})],
)
def test_an_old_replica_that_is_gone_at_the_end_of_the_step_met_the_new_one(
    phase: Phase, wanted: set[tuple[str, str]]
) -> None:
    """With one replica, a rollout has its mixture only while that is replaced."""
    builder = HistoryBuilder()
    for phase_before in ("control-old", "control-new"):
        version = OLD if phase_before == "control-old" else NEW
        step = builder.step(phase_before)
        builder.send("GET /things/1", version)
        builder.events.append(ReplicaEvent(step, step, "orders", version, "children", builder.clock, f"1 {MAILER}"))
    step = builder.step(phase, live={"orders": (NEW,)})
    builder.send("GET /things/1", NEW)
    for what, detail in (("children", f"1 {MAILER}"), ("child-ended", f"0 {MAILER}")):
        builder.events.append(ReplicaEvent(step, step, "orders", OLD, what, builder.clock, detail))
    assert attributions(builder.judge()) == wanted


def test_the_finding_tells_which_process_and_what_it_said() -> None:
    (violation,) = judged({("forward", OLD): (1, 0)}).violations
    assert MAILER in violation.message
    assert "none of them left" in violation.message
    assert violation.reason == "ValueError: no line to mail"
    assert violation.cause == f"orders {OLD} loses a child process"


def test_one_of_several_is_missed_where_the_controls_have_all_of_them_in_every_look() -> None:
    three = {(phase, version): (3,) for phase in PHASES for version in (OLD, NEW)}
    judgement = judged({**three, ("forward", OLD): (3, 2)})
    assert attributions(judgement) == {("available", "mixed")}
    assert "2 of 3 left" in judgement.violations[0].message
    breathing = {**three, ("control-old", OLD): (3, 4, 3)}
    assert attributions(judged({**breathing, ("forward", OLD): (3, 2)})) == set(), "a pool that follows its load"
    assert attributions(judged({**breathing, ("forward", OLD): (3, 0)})) == {("available", "mixed")}


@pytest.mark.parametrize(
    "looks",
    [
        {("forward", OLD): (1, 0, 1)},  # replaced later
        {("forward", OLD): (1, 2, 1)},  # one more for a while
        {(phase, version): (1, 0) for phase in PHASES for version in (OLD, NEW)},  # it has one thing to do
        {("control-old", OLD): (0,), ("forward", OLD): (1, 0)},  # a look at a command, by chance
    ],
)
def test_processes_that_are_replaced_or_short_lived_are_no_finding(looks: dict[tuple[Phase, str], Looks]) -> None:
    assert (judged(looks).verdict, attributions(judged(looks))) == ("pass", set())


def test_a_version_may_do_without_a_process_or_call_it_otherwise() -> None:
    nothing = {(phase, NEW): () for phase in PHASES}
    assert attributions(judged(nothing)) == set()
    assert attributions(judged({}, {NEW: "python crew.py post"})) == set()


def test_a_process_of_the_new_version_alone_that_it_always_loses_is_tolerated_and_told() -> None:
    ends: dict[tuple[Phase, str], Looks] = {(phase, NEW): (1, 0) for phase in PHASES}
    judgement = judged(ends, {NEW: "python warm.py"})
    assert (judgement.verdict, attributions(judgement)) == ("pass", set())
    (told,) = [entry for entry in judgement.tolerated if "python warm.py" in entry.place]
    assert told.count == 3


@pytest.mark.parametrize(("losing", "wanted"), [(1, set()), (0, {("available", "mixed")})])
def test_what_one_replica_of_the_control_loses_may_have_one_thing_to_do(
    losing: int, wanted: set[tuple[str, str]]
) -> None:
    """The other replicas may have ended before it was done. It is told with what was tolerated."""
    builder = HistoryBuilder()

    def replica(phase: Phase, number: int, looks: Looks) -> None:
        step: Any = builder.steps[-1].id
        name = f"{step}-{number}"
        builder.events.append(ReplicaEvent(step, name, "orders", OLD, "started", builder.clock))
        for count in looks:
            what = "child-ended" if not count else "children"
            builder.events.append(ReplicaEvent(step, name, "orders", OLD, what, builder.clock, f"{count} {MAILER}"))

    for phase in PHASES:
        builder.step(phase)
        builder.send("GET /things/1", OLD)
        builder.send("GET /things/1", NEW)
        for number in range(8):
            loses = phase == "forward" or (phase == "control-old" and number < losing)
            replica(phase, number, (1, 0) if loses else (1,))
    judgement = builder.judge()
    assert attributions(judgement) == wanted
    assert bool([entry for entry in judgement.tolerated if MAILER in entry.place]) is not bool(wanted)
