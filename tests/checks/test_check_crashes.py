"""Replicas that end by themselves: whose doing it is that requests go unanswered then, and resources are gone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from tests.checks.history_builder import NEW, OLD, HistoryBuilder, Scenario, attributions, in_every_phase
from verifier.checks.verdict import Judgement
from verifier.history.model import Operation, Phase

HOW = "exited with status 1"


def _calm(scenario: Scenario) -> None:
    """A session that nothing disturbs: a thing is put, read, and read back."""
    builder, name = scenario.builder, scenario.builder.fresh("t")
    builder.send(f"PUT /things/{name}", scenario.first, 200)
    read = builder.send(f"GET /things/{name}", scenario.second, 200, index=1)
    for version in (scenario.first, scenario.second):
        builder.sweep(read, version, 200)


def _controls(*crashing: tuple[Phase, str], how: str = HOW) -> HistoryBuilder:
    """A whole rollout; in these phases replicas of that version end after a request that controls alone refuse."""
    builder = HistoryBuilder()
    in_every_phase(_calm, builder=builder)
    for phase, version in crashing:
        builder.step(phase)
        _calm(Scenario(builder, phase, version, version, False))
        builder.send("GET /other", version, None, error="refused", index=7)
        builder.event("exited", version, how)
    return builder


def _crash(builder: HistoryBuilder, version: str = OLD, *, how: str = HOW, error: str = "reset") -> Operation:
    """In a mixture: a write reaches a replica that ends, and the next one is refused. Returns the first."""
    builder.step("forward")
    for first, second in ((OLD, NEW), (NEW, OLD)):
        _calm(Scenario(builder, "forward", first, second, False))
    builder.replay = "hit"
    hit = builder.send("PUT /things/0", version, None, error=error, outcome="info")
    builder.replay = "hit too"
    builder.send("PUT /things/1", version, None, error="refused")
    builder.event("exited", version, how)
    return hit


def _found(judgement: Judgement, operation: str) -> set[tuple[str, str]]:
    return {(entry.guarantee, entry.attribution) for entry in judgement.violations if entry.operation == operation}


@pytest.mark.parametrize("error", ["refused", "closed", "reset", "timeout"])
def test_an_end_that_the_control_shows_too_is_the_versions_own_and_no_pass(error: str) -> None:
    builder = _controls(("control-old", OLD))
    hit = _crash(builder, error=error)
    judgement = builder.judge()
    assert {attribution for _, attribution in attributions(judgement)} == {"pre-existing"}
    assert judgement.verdict == "unknown"
    causes = {entry.cause for entry in judgement.violations if hit.step in entry.steps}
    assert causes == {f"orders {OLD} ends by itself"}
    (sentence,) = judgement.unknowns
    assert sentence.startswith(f"orders {OLD} ends by itself ({HOW}), in control-old-3.1 too: 2 requests and reads")
    (step,) = (entry for entry in judgement.steps if entry.id == hit.step)
    assert step.verdict == "unknown"


def test_an_end_that_new_alone_shows_too_is_the_new_versions() -> None:
    builder = _controls(("control-new", NEW))
    _crash(builder, NEW)
    judgement = builder.judge()
    assert _found(judgement, "PUT /things/{}") == {("available", "new-version")}
    assert judgement.verdict == "fail"


@pytest.mark.parametrize(
    ("controls", "version", "how"),
    [
        ([], OLD, HOW),  # only the mixture shows it
        ([("control-old", OLD)], NEW, HOW),  # the other version ends
        ([("control-new", NEW)], OLD, HOW),
        ([("control-old", OLD)], OLD, "exited with status 139"),  # it ends in another way
    ],
)
def test_an_end_that_no_control_shows_is_the_mixtures(controls: Any, version: str, how: str) -> None:
    builder = _controls(*controls)
    _crash(builder, version, how=how)
    judgement = builder.judge()
    assert ("available", "mixed") in _found(judgement, "PUT /things/{}")
    assert judgement.verdict == "fail"


def test_a_request_that_fails_before_a_later_one_is_answered_is_not_the_ends_doing() -> None:
    builder = _controls(("control-old", OLD))
    builder.step("forward")
    builder.send("PUT /things/0", OLD, None, error="reset", outcome="info")
    _calm(Scenario(builder, "forward", OLD, NEW, False))
    builder.event("exited", OLD, HOW)
    assert ("available", "mixed") in _found(builder.judge(), "PUT /things/{}")


def test_a_request_that_a_fault_cut_on_purpose_breaks_no_session() -> None:
    """It was sent when nothing else was answered any more; its client tried again, and is now answered 404."""
    builder = _controls(("control-old", OLD))
    builder.step("forward")
    for first, second in ((OLD, NEW), (NEW, OLD)):
        _calm(Scenario(builder, "forward", first, second, False))
    builder.replay = "cut"
    builder.send("PUT /things/0", OLD, None, error="reset", outcome="info", fault="reset")
    builder.send("GET /things/0", NEW, 404, index=1)
    builder.event("exited", OLD, HOW)
    assert _found(builder.judge(), "GET /things/{}") == {("compatible", "mixed")}


def test_a_request_to_the_other_version_that_fails_is_not_the_ends_doing() -> None:
    builder = _controls(("control-old", OLD))
    _crash(builder)
    builder.step("forward")
    builder.send("PUT /things/2", NEW, None, error="reset", outcome="info")
    judgement = builder.judge()
    assert ("available", "mixed") in _found(judgement, "PUT /things/{}")
    assert judgement.verdict == "fail"


@pytest.mark.parametrize(("live", "back", "excused"), [(True, False, True), (True, True, False), (False, False, False)])
def test_what_nobody_serves_after_the_end_is_the_ends_doing_until_the_version_is_back(
    live: bool, back: bool, excused: bool
) -> None:
    builder = _controls(("control-old", OLD))
    _crash(builder)
    builder.step("forward", live={"orders": (OLD, NEW) if live else (NEW,)})
    if back:
        builder.event("ready", OLD)
    builder.send("GET /things/2", NEW, 200)
    builder.send("DELETE /things/2", OLD, None, error="refused", replica="")
    found = _found(builder.judge(), "DELETE /things/{}")
    assert found == {("available", "pre-existing" if excused else "mixed")}


@pytest.mark.parametrize(("hit", "retried", "attribution"), [
    (True, False, "pre-existing"), (True, True, "mixed"), (False, False, "mixed"),
])  # fmt: skip
def test_what_follows_in_the_session_of_an_unanswered_request(hit: bool, retried: bool, attribution: str) -> None:
    """A read is answered 404, since what it reads was never made; not so where a retry made it, or nothing was cut."""
    builder = _controls(("control-old", OLD))
    write = _crash(builder)
    builder.replay = "hit" if hit else "other"
    if retried:
        builder.send("PUT /things/0", NEW, 200, retry=write)
    builder.send("GET /things/0", NEW, 404, index=1)
    assert _found(builder.judge(), "GET /things/{}") == {("compatible", attribution)}


@pytest.mark.parametrize(("writer", "later", "attribution"), [
    (OLD, False, "pre-existing"),
    (NEW, False, "mixed"),  # the replica that ended never had it
    (OLD, True, "mixed"),  # it was still there after the end
])  # fmt: skip
def test_what_a_replica_took_along_is_gone(writer: str, later: bool, attribution: str) -> None:
    builder = _controls(("control-old", OLD))
    builder.step("forward")
    for first, second in ((OLD, NEW), (NEW, OLD)):
        _calm(Scenario(builder, "forward", first, second, False))
    builder.replay = "hit"
    builder.send("PUT /kept/1", writer, 200)
    read = builder.send("GET /kept/1", NEW, 200, index=3)
    builder.event("exited", OLD, HOW)
    builder.sweep(read, NEW, 200 if later else 404)
    builder.step("forward", live={"orders": (NEW,)})
    builder.sweep(read, NEW, 404)
    assert _found(builder.judge(), "GET /kept/{}") == {("no lost write", attribution)}


def test_sweeps_through_the_replica_that_ended_are_the_ends_doing_after_going_back_too() -> None:
    for phase in ("forward", "rollback"):
        builder = _controls(("control-old", OLD))
        builder.step(phase)
        _calm(Scenario(builder, phase, OLD, OLD, False))
        read = builder.send("GET /kept/1", OLD, 200, index=3)
        builder.send("GET /kept/1", OLD, None, error="refused", of=read, source="sweep")
        builder.event("exited", OLD, HOW)
        assert {attribution for _, attribution in _found(builder.judge(), "GET /kept/{}")} == {"pre-existing"}


def test_other_defects_of_a_crashing_version_stay_the_mixtures() -> None:
    """A value that reads differently, and an error of a living replica: no end of a replica explains them."""
    builder = _controls(("control-old", OLD))
    _crash(builder)
    read = builder.send("GET /kept/1", NEW, (200, {"v": 1}), index=3)
    builder.sweep(read, NEW, (200, {"v": 1}))
    builder.sweep(read, NEW, (200, {"v": 2}))
    builder.send("GET /things/5", NEW, 500, index=1)
    judgement = builder.judge()
    assert _found(judgement, "GET /kept/{}") == {("no lost write", "mixed")}
    assert ("available", "mixed") in _found(judgement, "GET /things/{}")


@pytest.mark.parametrize(("error", "attribution"), [("refused", "pre-existing"), ("", "mixed")])
def test_a_call_that_an_ended_replica_never_answered_fails_who_called(error: str, attribution: str) -> None:
    builder = _controls(("control-old", OLD))
    builder.step("forward")
    for first, second in ((OLD, NEW), (NEW, OLD)):
        _calm(Scenario(builder, "forward", first, second, False))
    outer = builder.send("POST /front", NEW, 502, service="front")
    builder.send("GET /things/1", OLD, None if error else 200, error=error, of=outer, source="inner")
    builder.event("exited", OLD, HOW)
    assert _found(builder.judge(), "POST /front") == {("available", attribution)}


@pytest.mark.parametrize(("times", "confirmed"), [(1, False), (2, True)])
def test_one_end_in_the_confirmation_alone_confirms_nothing_however_many_requests_it_hits(
    times: int, confirmed: bool
) -> None:
    """Somebody else may have killed that replica."""
    builder = _controls()
    for _ in range(times):
        builder.step("control-new")
        _calm(Scenario(builder, "control-new", NEW, NEW, False))
        for number in range(3):
            builder.send(f"PUT /things/{number}", NEW, None, error="reset", outcome="info", index=number)
        builder.event("exited", NEW, HOW)
        builder.steps[-1] = structs.replace(builder.steps[-1], confirms=True)
    found = [entry for entry in builder.judge().violations if entry.cause]
    assert found and {(entry.attribution, entry.confirmed) for entry in found} == {("new-version", confirmed)}


def test_what_nobody_was_there_to_read_back_after_one_end_is_no_failure() -> None:
    """A lost write fails a run even where it is not seen again. This one was not seen to be lost."""
    builder = _controls()
    builder.step("forward")
    builder.send("PUT /things/1", OLD, 200)
    read = builder.send("GET /things/1", OLD, 200, index=1)
    builder.event("exited", NEW, HOW)
    builder.send("GET /things/1", NEW, None, error="refused", of=read, source="sweep", service=read.service)
    for phase in ("control-old", "control-new", "forward"):
        builder.step(phase)
        version = OLD if phase == "control-old" else NEW
        _calm(Scenario(builder, phase, version, version, False))
        builder.steps[-1] = structs.replace(builder.steps[-1], confirms=True)
    judgement = builder.judge()
    found = [entry for entry in judgement.violations if entry.guarantee == "no lost write"]
    assert [(entry.confirmed, entry.fails) for entry in found] == [(False, False)]
    assert judgement.verdict != "fail"
