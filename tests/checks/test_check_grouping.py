"""One cause, one defect: for each rule a cause with its consequences, and a defect that does not follow from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from tests.checks.history_builder import NEW, OLD, HistoryBuilder, Scenario, in_every_phase
from verifier.checks.grouping import title_of
from verifier.checks.verdict import Judgement
from verifier.history.model import Operation
from verifier.report import defects

MIGRATION = f"orders {NEW} expand"


def causes(judgement: Judgement) -> list[tuple[str, set[str]]]:
    """What the deployment adds: the title of each defect, and the guarantees of its violations."""
    return [(found.title, {entry.guarantee for entry in found.every}) for found in defects.added(judgement)]


def _calm(builder: HistoryBuilder, version: str, name: str = "") -> Operation:
    """A thing is put, read, and read back; nothing is wrong with it."""
    name = name or builder.fresh("t")
    builder.send(f"PUT /things/{name}", version, 200)
    read = builder.send(f"GET /things/{name}", version, (200, {"n": 1}), index=1)
    builder.send("GET /other", version, (200, {"n": 1}), index=2)
    builder.sweep(read, version, (200, {"n": 1}))
    return read


def _controls() -> HistoryBuilder:
    builder = HistoryBuilder()
    in_every_phase(lambda scenario: (_calm(builder, scenario.first), None)[1], builder=builder)
    builder.steps = [step for step in builder.steps if step.phase.startswith("control")]
    kept = {step.id for step in builder.steps}
    builder.operations = [operation for operation in builder.operations if operation.step in kept]
    return builder


def _migrated(builder: HistoryBuilder, phase: Any = "forward", live: tuple[str, ...] = (OLD,)) -> None:
    builder.step(phase, live={"orders": live}, kind="migrate")
    builder.steps[-1] = structs.replace(builder.steps[-1], migrations=(MIGRATION,))


@pytest.mark.parametrize("own", [False, True])
def test_what_follows_from_the_end_of_a_replica_is_one_defect(own: bool) -> None:
    """A write is cut, another is refused, the session goes on without it, and what the replica had is gone."""
    builder = _controls()
    builder.step("forward")
    _calm(builder, NEW)
    builder.replay = "kept"
    kept = _calm(builder, OLD)
    builder.replay = "hit"
    builder.send("PUT /things/t0", OLD, None, error="reset", outcome="info")
    builder.send("GET /things/t0", NEW, 404, index=1)
    builder.replay = "late"
    builder.send("PUT /things/t1", OLD, None, error="refused", replica="")
    builder.event("exited", OLD, "exited with status 1")
    builder.sweep(kept, NEW, 404)
    if own:
        builder.replay = "own"
        builder.send("GET /other", NEW, 500, index=2)
    judgement = builder.judge()
    title, guarantees = next(found for found in causes(judgement) if "ends" in found[0])
    assert title == f"orders {OLD} ends by itself"
    assert guarantees == {"available", "compatible", "no lost write"}
    assert len(causes(judgement)) == (2 if own else 1)
    leading = next(found for found in defects.added(judgement) if found.title == title)
    assert "ended by itself" in leading.shown.message


def test_what_also_shows_without_the_end_of_a_replica_is_a_defect_of_its_own() -> None:
    builder = _controls()
    builder.step("forward")
    _calm(builder, OLD)
    builder.replay = "before"
    builder.send("PUT /things/t8", NEW, None, error="reset", outcome="info")
    builder.replay = "hit"
    builder.send("PUT /things/t0", OLD, None, error="reset", outcome="info")
    builder.event("exited", OLD, "exited with status 1")
    assert [title for title, _ in causes(builder.judge())] == [
        f"orders {OLD} ends by itself", "available · orders 1.4 + 2.0 · PUT /things/{}"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "replica", "cause"),
    [
        ("never-ready", "", f"orders {NEW} does not become ready"),
        ("command-failed", f"orders-{NEW}-expand-7", f"expand of orders {NEW} fails"),
    ],
)
def test_what_shows_in_a_failed_step_and_after_it_is_one_defect(what: str, replica: str, cause: str) -> None:
    builder = _controls()
    builder.step("forward", live={"orders": (OLD,)}, kind="start")
    read = _calm(builder, OLD)
    builder.step("forward", error="failed")
    builder.event(what, NEW, "exit code 1\nTraceback:\n  no such table\n\n")
    if replica:
        builder.events[-1] = structs.replace(builder.events[-1], replica=replica)
    builder.send("GET /other", OLD, None, error="refused", source="live", index=2)
    builder.step("rollback")
    builder.sweep(read, OLD, 404)
    builder.send("GET /other", OLD, 500, index=2)
    (found,) = defects.added(builder.judge())
    assert found.title == cause
    assert {entry.guarantee for entry in found.every} == {"available", "rollback safe"}
    assert (found.shown.operation, found.shown.reason) == ("", "Traceback:\n  no such table")


def test_its_twin_what_shows_before_the_failed_step_too_is_a_defect_of_its_own() -> None:
    builder = _controls()
    builder.step("forward")
    _calm(builder, OLD)
    builder.send("GET /other", NEW, 500, index=2)
    builder.step("forward", error="failed")
    builder.event("never-ready", NEW, "exit code 1")
    builder.send("GET /other", NEW, 500, index=2)
    assert sorted(title for title, _ in causes(builder.judge())) == [
        "available · orders 1.4 + 2.0 · GET /other", f"orders {NEW} does not become ready"
    ]  # fmt: skip


@pytest.mark.parametrize("own", [False, True])
def test_what_a_migration_breaks_is_one_defect_before_and_after_new_replicas_run(own: bool) -> None:
    builder = _controls()
    builder.step("forward", live={"orders": (OLD,)}, kind="start")
    read = _calm(builder, OLD)
    for phase, live in (("forward", (OLD,)), ("forward", (OLD, NEW)), ("rollback", (OLD,))):
        _migrated(builder, phase, live)
        builder.send("PUT /things/t0", OLD, 200)
        builder.send("GET /things/t0", OLD, 500, index=1)
        builder.sweep(read, OLD, 500)
        builder.send("GET /other", OLD, 500 if own and phase == "rollback" else (200, {"n": 1}), index=2)
        for version in live:
            if version == NEW:
                _calm(builder, NEW)
    found = causes(builder.judge())
    assert (f"expand of orders {NEW} breaks orders {OLD}", {"available", "no lost write", "rollback safe"}) in found
    assert len(found) == (2 if own else 1)


def test_what_the_new_version_does_wrong_on_the_migrated_store_is_not_the_migrations() -> None:
    builder = _controls()
    for live in ((OLD,), (OLD, NEW)):
        _migrated(builder, "forward", live)
        builder.send("GET /things/t0", OLD, 500, index=1)
        if NEW in live:
            builder.send("GET /other", NEW, 500, index=2)
    assert len(causes(builder.judge())) == 2


def test_a_version_that_answers_nothing_but_errors_is_one_defect() -> None:
    builder = _controls()
    builder.step("forward")
    _calm(builder, OLD)
    for name, index in (("/things/t0", 1), ("/other", 2)):
        builder.send(f"GET {name}", NEW, 503, index=index)
    ((title, _),) = causes(builder.judge())
    assert title == f"orders {NEW} answers every request with an error"


def test_its_twin_errors_of_two_operations_of_a_version_that_answers_others_are_two() -> None:
    builder = _controls()
    builder.step("forward")
    _calm(builder, OLD)
    builder.send("PUT /things/t0", NEW, 200)
    for name, index in (("/things/t0", 1), ("/other", 2)):
        builder.send(f"GET {name}", NEW, 503, index=index)
    assert len(causes(builder.judge())) == 2


def _removed(other: Any) -> Judgement:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh("t")
        for version in (scenario.first, scenario.second):
            read = builder.send(f"GET /files/{name}", version, 404 if version == NEW else 200, index=1)
        builder.sweep(read, scenario.first, 404 if scenario.first == NEW else 200)
        builder.send("GET /other", scenario.second, other if scenario.second == NEW else 200, index=2)

    return in_every_phase(play, builder=builder)


def test_an_operation_that_a_version_does_not_have_is_one_defect() -> None:
    (found,) = defects.added(_removed(200))
    assert found.title == f"orders {NEW} always answers GET /files/{{}} with 404"
    assert found.shown.guarantee == "compatible"


def test_its_twin_another_operation_that_is_missing_is_another_defect() -> None:
    assert len(causes(_removed(404))) == 2


def _different(**changed: Any) -> Judgement:
    """One member of a thing reads differently, in the thing and in the list, in a mixture and after going back."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name, thing = builder.fresh("t"), {"id": 5, "n": 1, "m": 1}
        told = {**thing, **changed} if scenario.broken else thing
        builder.send(f"PUT /things/{name}", scenario.first, 200)
        one = builder.send(f"GET /things/{name}", scenario.first, (200, thing), index=1)
        many = builder.send("GET /things", scenario.first, (200, {"items": [thing]}), index=2)
        for read, body in ((one, thing), (many, {"items": [thing]}), (one, told), (many, {"items": [told]})):
            builder.sweep(read, scenario.second, (200, body))

    return in_every_phase(play, "forward", "rollback", builder=builder)


def test_one_member_is_one_defect_in_every_response_and_after_going_back_too() -> None:
    ((title, guarantees),) = causes(_different(n=2))
    assert title == "n in the responses of orders about /things differs"
    assert guarantees == {"no lost write", "rollback safe"}


def test_its_twin_two_members_are_two_defects() -> None:
    assert len(causes(_different(n=2, m=2))) == 2


def test_the_instances_of_a_route_are_one_operation() -> None:
    builder = _controls()
    for _ in range(2):
        builder.step("forward")
        _calm(builder, OLD)
        builder.send("PUT /things/t0", NEW, 200)
        for name in ("/things/7", "/things/{}", "/things/0b9e3f4c-aa"):
            builder.send("GET /things/t7", NEW, 500, index=1, name=f"GET {name}")
    ((title, _),) = causes(builder.judge())
    assert title == f"orders {NEW} answers requests for /things with 500"


def test_a_failed_call_between_services_is_one_defect_whoever_waits_for_it() -> None:
    builder = _controls()
    for version in (OLD, NEW):
        builder.step("control-old" if version == OLD else "forward", live={"orders": (OLD, NEW), "front": ("1",)})
        for path, index in (("/a", 3), ("/b", 4), ("/c", 5)):
            failed = version == NEW and path != "/c"
            outer = builder.send(f"GET {path}", "1", 502 if failed else 200, service="front", index=index)
            builder.send("GET /things/t1", version, 500 if failed else 200, of=outer, source="inner", caller="front")
    ((title, _),) = causes(builder.judge())
    assert title == f"orders {NEW} answers requests for /things with 500"


def test_the_service_that_refused_a_call_leads_and_not_the_one_that_waited_for_it() -> None:
    builder = _controls()
    for version in (OLD, NEW):
        builder.step("control-old" if version == OLD else "forward", live={"orders": (OLD, NEW), "front": ("1",)})
        outer = builder.send("GET /a", "1", 502 if version == NEW else 200, service="front", index=3)
        builder.send("GET /things/1", version, 422 if version == NEW else 200, of=outer, source="inner", caller="front")
        builder.send("GET /things/1", version, 422 if version == NEW else 200, index=1)
    (found,) = defects.added(builder.judge())
    assert (found.shown.service, [other.service for other in found.others]) == ("orders", ["front"])


def test_what_a_session_is_answered_after_a_failed_write_follows_from_it() -> None:
    builder = _controls()
    builder.step("forward")
    _calm(builder, OLD)
    _calm(builder, NEW)
    for replay in ("a", "b"):
        builder.replay = replay
        builder.send("PUT /things/t0", NEW, 500)
        builder.send("GET /things/t0", OLD, 404, index=1)
    ((_, guarantees),) = causes(builder.judge())
    assert guarantees == {"available", "compatible"}


def test_its_twin_a_refusal_that_also_comes_after_a_write_that_was_done_does_not() -> None:
    builder = _controls()
    builder.step("forward")
    _calm(builder, OLD)
    _calm(builder, NEW)
    for replay, status in (("a", 500), ("b", 200)):
        builder.replay = replay
        builder.send("PUT /things/t0", NEW, status)
        builder.send("GET /things/t0", OLD, 404, index=1)
    assert len(causes(builder.judge())) == 2


def _waited(last: Any, of: Any = (200, {"status": "pending"})) -> list[tuple[str, set[str]]]:
    """In a mixture, work that was accepted is read three times: `of` twice, then `last`."""
    builder = HistoryBuilder.of_orders()

    def play(scenario: Scenario) -> None:
        placed = builder.send("POST /orders", scenario.first, (202, {"id": builder.fresh("o"), "status": "pending"}))
        pending: Any = (200, {"status": "pending"})
        answers = (of, of, last) if scenario.broken else (pending, pending, (200, {"status": "done"}))
        for answer in answers:
            builder.send("GET /orders/o1", scenario.second, answer, of=placed, source="poll", index=1)

    return [
        (title, guarantees & {"completes", "compatible", "available"})
        for title, guarantees in causes(in_every_phase(play, "forward", builder=builder))
    ]


def test_work_that_does_not_end_and_its_failed_reads_are_one_defect() -> None:
    found = _waited((200, {"status": "pending"}), 404)
    assert ("work that orders accepted with placeOrder does not end", {"completes", "compatible"}) in found


def test_its_twin_work_that_could_not_be_read_follows_from_the_failure_of_the_reads() -> None:
    found = _waited(500)
    assert [guarantees for title, guarantees in found if "answers requests for /orders with 500" in title] == [
        {"completes", "available"}
    ]


def test_requests_that_are_cut_when_a_replica_is_stopped_are_one_defect() -> None:
    builder = _controls()
    builder.step("forward")
    _calm(builder, NEW)
    for path, index in (("/things/t0", 1), ("/other", 2)):
        builder.send(f"GET {path}", OLD, None, error="reset", source="live", index=index)
    builder.event("stopped", OLD, "exit code 0")
    ((title, _),) = causes(builder.judge())
    assert title == f"orders {OLD} leaves requests unanswered when it is stopped"


def test_a_rate_and_an_explanation_are_sentences_with_names() -> None:
    builder = _controls()
    _migrated(builder)
    builder.send("GET /things/t0", OLD, 500, index=1)
    (found,) = builder.judge().violations
    assert found.rate == "seen in 1 of 1 try; with all old 0 of 4"
    assert found.explanation == (
        f"orders {OLD} shows it after expand of orders {NEW}, before any replica of orders {NEW} runs"
    )


@pytest.mark.parametrize("own", [False, True])
def test_a_read_back_of_open_work_is_a_consequence_unless_it_shows_something_else(own: bool) -> None:
    """Undeclared work that never ends shows as open whenever it is read back; `own`: once it shows a third state."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for number in range(4):
            builder.replay = f"{scenario.first}{scenario.second}{number}"
            name, state = builder.fresh("j"), "queued" if scenario.broken else "done"
            job = builder.send("POST /jobs", scenario.first, (202, {"id": name}), index=0)
            read = builder.send(f"GET /jobs/{name}", scenario.second, (200, {"id": name, "state": state}), index=1)
            builder.end(job, "open" if scenario.broken else "ended", state, last=read.id)
            shown = "broken" if own and scenario.broken and number == 3 else state
            builder.sweep(read, scenario.second, (200, {"id": name, "state": shown}))

    judgement = in_every_phase(play, "forward", builder=builder)
    follows = ("work that orders accepted with POST /jobs does not end", {"completes", "no lost write"})
    if own:
        assert {"completes"} in [guarantees for _, guarantees in causes(judgement)]
        assert {"no lost write"} in [guarantees for _, guarantees in causes(judgement)]
    else:
        assert causes(judgement) == [follows]


def test_what_no_rule_names_is_named_by_the_operation_and_the_gravest_guarantee() -> None:
    (violation, *_) = in_every_phase(_missing, "forward").violations
    placed = replace(violation, operation="placeOrder")
    found = [replace(placed, guarantee=guarantee) for guarantee in ("compatible", "idempotent", "available")]
    assert title_of(found) == "placeOrder of orders violates 'idempotent'"
    assert title_of([replace(violation, operation="")]) == f"orders violates {violation.guarantee!r}"


def _missing(scenario: Scenario) -> None:
    scenario.builder.send("GET /things/1", scenario.second, 404 if scenario.broken else 200)
