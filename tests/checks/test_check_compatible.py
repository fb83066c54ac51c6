"""Compatible: answers against the controls where nothing is declared, and against contracts where something is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.checks.history_builder import NEW, OLD, Answer, HistoryBuilder, Scenario, attributions, in_every_phase
from tests.checks.order_scenarios import healthy_session, place_order, poll_order
from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.plan.model import ExchangeShape, SessionShape

FOUND = {("compatible", "mixed")}


def answered(usually: Answer, broken: Answer, what: str = "GET /things/1", **more: Any) -> Judgement:
    """An undeclared operation that answers one thing in general and another where it is broken."""

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            scenario.builder.send(what, version, broken if scenario.broken else usually, **more)

    return in_every_phase(play, "forward", builder=HistoryBuilder())


@pytest.mark.parametrize(
    ("usually", "broken"),
    [
        (200, 404),
        (200, 302),
        (404, 200),
        ((200, {"id": 1}), (200, {})),
        ((200, {"id": 1}), (200, {"id": "1"})),
        ((200, {"id": 1}), (200, {"id": None})),
        ((200, {"a": {"b": [{"c": 1}]}}), (200, {"a": {"b": [{"c": 1}, {"d": 1}]}})),
        ((200, [1]), (200, {"items": [1]})),
        ((200, {"id": 1}), (200, b"<html>sorry</html>")),
        ((200, {"id": 1}), 204),
        ((200, {"id": 1}), (200, None)),
        ((200, {"id": 1}), (200, b'{"id": 1')),
    ],
)
def test_an_answer_that_the_old_version_never_gives_is_found(usually: Answer, broken: Answer) -> None:
    assert attributions(answered(usually, broken)) == FOUND


@pytest.mark.parametrize(
    ("usually", "broken"),
    [
        (200, 201),
        (204, 204),
        ((200, {"id": 1}), (201, {"id": 2, "more": True})),
        ((200, {"n": 1}), (200, {"n": 1.5})),
        ((200, {"items": [{"a": 1}]}), (200, {"items": []})),
        ((200, {"items": []}), (200, {"items": [{"a": 1}]})),
        ((200, b"<html>1</html>"), (200, b"<html>2</html>")),
        ((404, {"error": "none"}), (404, {"reason": "none"})),
    ],
)
def test_an_answer_of_the_same_class_and_shape_passes(usually: Answer, broken: Answer) -> None:
    judgement = answered(usually, broken)
    assert (judgement.verdict, judgement.violations) == ("pass", ())


def test_a_head_request_has_no_body_to_miss() -> None:
    assert answered(200, 200, "HEAD /things/1").verdict == "pass"


@pytest.mark.parametrize("sometimes", [{"id": 1}, {"id": 1, "note": None}, {"id": 1, "note": "x"}])
def test_what_varies_between_the_controls_does_not_alarm(sometimes: dict[str, Any]) -> None:
    """The controls answer with the note, with null and without it: all of these are right later on."""
    builder = HistoryBuilder()
    bodies = iter([{"id": 1, "note": "a"}, {"id": 1, "note": None}, {"id": 1}])

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            builder.send("GET /things/1", version, (200, next(bodies, sometimes)))

    assert in_every_phase(play, "forward", builder=builder).verdict == "pass"


def test_what_does_not_vary_between_the_controls_alarms() -> None:
    assert attributions(answered((200, {"id": 1, "note": "a"}), (200, {"id": 1}))) == FOUND


def test_a_status_that_varies_between_the_controls_does_not_alarm() -> None:
    builder = HistoryBuilder()
    statuses = iter([200, 404])

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            builder.send("GET /things/1", version, next(statuses, 404 if scenario.broken else 200))

    assert in_every_phase(play, "forward", builder=builder).verdict == "pass"


def test_an_optional_field_that_the_contract_lets_be_absent_or_null_does_not_alarm() -> None:
    """In the controls the note was always there; the contract says that it need not be."""

    def play(scenario: Scenario) -> None:
        order = healthy_session(scenario)
        body: dict[str, Any] = {"id": order} if scenario.first == "1.4" else {"id": order, "note": None}
        shown = body if scenario.broken else {"id": order, "note": "n"}
        scenario.builder.send(f"GET /orders/{order}", scenario.second, (200, shown), index=3)

    judgement = in_every_phase(play, "forward")
    assert ("compatible", "mixed") not in attributions(judgement)


def test_a_field_that_the_contract_does_not_know_alarms_when_it_goes_missing() -> None:
    """The contract neither names nor forbids the field, so the controls are the specification."""

    def play(scenario: Scenario) -> None:
        order = healthy_session(scenario)
        shown = {"id": order} if scenario.broken else {"id": order, "weight": 3}
        scenario.builder.send(f"GET /orders/{order}", scenario.second, (200, shown), index=3)

    def weighed(scenario: Scenario) -> None:
        order = scenario.builder.fresh("o")
        shown = {"id": order} if scenario.broken else {"id": order, "weight": 3}
        for version in (scenario.first, scenario.second):
            scenario.builder.send(f"GET /orders/{order}", version, (200, shown), index=3)

    assert ("compatible", "mixed") in attributions(in_every_phase(weighed, "forward"))


def test_polls_that_were_polled_past_do_not_alarm() -> None:
    """Work that was always done at once in the controls is seen pending later: its answer has another shape."""
    builder = HistoryBuilder()

    def play(scenario: Scenario, last: Any = None) -> None:
        for version in (scenario.first, scenario.second):
            read = builder.send("GET /jobs/1", version, (200, {"state": "pending"} if scenario.broken else _done()))
            if scenario.broken:
                builder.send("GET /jobs/1", version, (200, {"state": "running", "since": None}), of=read, source="poll")
                builder.send("GET /jobs/1", version, (200, last or _done()), of=read, source="poll")

    assert in_every_phase(play, "forward", builder=builder).verdict == "pass"
    builder = HistoryBuilder()
    judgement = in_every_phase(lambda scenario: play(scenario, {"state": "done"}), "forward", builder=builder)
    assert attributions(judgement) == FOUND


@pytest.mark.parametrize(("first", "found"), [(404, set()), ((200, {"state": "queued"}), FOUND)])
def test_which_read_of_a_waiting_comes_first_after_the_work_is_done_is_chance(first: Answer, found: Any) -> None:
    """The controls read twice, the mixture four times. Where no read of the controls met a 404, a 404 is news."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            pending: Answer = 404 if scenario.broken else first
            read = builder.send("GET /jobs/1", version, pending)
            for poll in (*([pending] * 2 if scenario.broken else []), (200, {"state": "done"})):
                builder.send("GET /jobs/1", version, poll, of=read, source="poll")

    assert attributions(in_every_phase(play, "forward", builder=builder)) == found


@pytest.mark.parametrize(("passing", "found"), [((404,), set()), ((), FOUND)])
def test_the_recording_shows_how_unfinished_work_is_answered(passing: tuple[int, ...], found: Any) -> None:
    """In the controls the work was always done before its first read; in the mixture it takes longer once."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            read = builder.send("GET /jobs/1", version, 404 if scenario.broken else 200)
            if scenario.broken:
                builder.send("GET /jobs/1", version, 200, of=read, source="poll")

    in_every_phase(play, "forward", builder=builder)
    exchange = ExchangeShape("GET /jobs/1", "orders", False, recorded=200, polled=True, passing=passing)
    plan = replace(builder.plan(), sessions=(SessionShape("s1", (exchange,)),))
    judgement = judge(builder.history(), builder.registry, plan)
    assert {entry for entry in attributions(judgement) if entry[0] == "compatible"} == found


def _done() -> dict[str, Any]:
    return {"state": "done", "result": 1}


def test_an_answer_that_asks_to_come_back_is_not_the_last_word() -> None:
    """409 with Retry-After, then the answer of the controls: that is how a client is asked to wait."""
    later = {"Retry-After": "1"}

    def play(scenario: Scenario, patient: bool = True) -> None:
        healthy_session(scenario)
        order, key = scenario.builder.fresh("o"), scenario.builder.fresh("k")
        first = place_order(scenario, order=order, key=key, to=scenario.first, fault="late-arrival", outcome="info")
        if scenario.broken:
            scenario.builder.send(
                "POST /orders",
                scenario.second,
                (409, {"id": order}),
                key=key,
                body={"reference": order},
                headers=later,
                retry=first,
                fault="late-arrival",
            )
        if patient or not scenario.broken:
            again = place_order(scenario, order=order, key=key, to=scenario.second, retry=first, fault="late-arrival")
            poll_order(scenario, again, order, "done")
        scenario.builder.charge(order)
        poll_order(scenario, first, order, "done")

    assert in_every_phase(play, "forward").verdict == "pass"
    assert attributions(in_every_phase(lambda scenario: play(scenario, False), "forward")) == FOUND


@pytest.mark.parametrize(("late", "found"), [(404, False), (422, False), (302, True)])
def test_two_at_once_may_come_out_as_one_after_the_other(late: int, found: bool) -> None:
    """What the old version answers to a repetition it may also answer to one of two that race."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        builder.send("DELETE /things/1", scenario.first, 204)
        first = builder.send("DELETE /things/1", scenario.first, 204, fault="duplicate-after")
        builder.send("DELETE /things/1", scenario.second, 404, retry=first, fault="duplicate-after")
        first = builder.send("DELETE /things/1", scenario.first, 204, fault="duplicate-at-once")
        answer = late if scenario.broken else 204
        builder.send("DELETE /things/1", scenario.second, answer, retry=first, fault="duplicate-at-once")

    assert (attributions(in_every_phase(play, "forward", builder=builder)) == FOUND) is found


def _removed_twice(fault: str, first: int | None, again: int) -> HistoryBuilder:
    """A thing is removed, and again because the first answer did not come: in the controls after a reset."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        builder.send("DELETE /things/1", scenario.first, 204)
        kind, before, after = (fault, first, again) if scenario.broken else ("reset", None, 404)
        lost = builder.send("DELETE /things/1", scenario.first, before, fault=kind, outcome="info")
        builder.send("DELETE /things/1", scenario.second, after, retry=lost, fault=kind)

    return in_every_phase(play, "forward", builder=builder)


@pytest.mark.parametrize(
    ("first", "again", "found"), [(204, 404, False), (422, 404, True), (204, 422, False), (204, 302, True)]
)
def test_a_lost_answer_is_what_an_undisturbed_request_gets_and_only_its_retry_meets_what_was_done(
    first: int, again: int, found: bool
) -> None:
    """In the controls the connection was reset instead: of the first of two no answer is known there."""
    assert (("compatible", "mixed") in attributions(_removed_twice("lost-answer", first, again))) is found


@pytest.mark.parametrize(
    ("late", "retry", "found"),
    [(404, 204, False), (204, 404, False), (None, 204, False), (204, 204, True), (404, 302, True), (404, 404, False)],
)
def test_of_two_that_overtake_each_other_only_one_may_be_answered_as_the_first(
    late: int | None, retry: int, found: bool
) -> None:
    """In the controls the retry came second, and met what the first had done."""
    assert (("compatible", "mixed") in attributions(_removed_twice("late-arrival", late, retry))) is found


@pytest.mark.parametrize(("in_controls", "found"), [(None, False), (404, False), (200, True)])
def test_what_comes_after_its_session_may_meet_what_the_session_removed(in_controls: int | None, found: bool) -> None:
    """A duplicate that arrives in a later step is held to what late ones were answered, not to immediate ones."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        builder.send("PATCH /things/1", scenario.second, 200)
        first = builder.send("PATCH /things/1", scenario.first, 200, fault="duplicate-after")
        builder.send("PATCH /things/1", scenario.first, 200, retry=first, fault="duplicate-after")
        answer = 404 if scenario.broken else in_controls
        first = builder.send("PATCH /things/1", scenario.first, 200, fault="duplicate-next-step")
        builder.step(scenario.phase)
        builder.send("PATCH /things/1", scenario.first, 200)
        builder.send("PATCH /things/1", scenario.second, 200)
        if answer is not None:
            builder.send("PATCH /things/1", scenario.second, answer, retry=first, fault="duplicate-next-step")

    assert (attributions(in_every_phase(play, "forward", builder=builder)) == FOUND) is found


def test_nobody_waits_for_a_duplicate_that_comes_later() -> None:
    """Asked to come back, a client does so in its own step; a duplicate in a later one is nobody's any more."""
    builder, later = HistoryBuilder(), {"Retry-After": "1"}

    def play(scenario: Scenario) -> None:
        fault = "duplicate-next-step"
        first = builder.send(
            "PUT /things/1", scenario.first, 409 if scenario.broken else 201, headers=later, fault=fault
        )
        if scenario.broken:
            builder.send("PUT /things/1", scenario.first, 201, retry=first, fault=fault)
        builder.step(scenario.phase)
        for version in (scenario.first, scenario.second):
            builder.send("PUT /things/2", version, 201, index=1)
        builder.send(
            "PUT /things/1", scenario.second, 409 if scenario.broken else 200, headers=later, retry=first, fault=fault
        )

    assert in_every_phase(play, "forward", builder=builder).violations == ()


def test_the_first_of_two_that_are_far_apart_says_nothing_about_a_repetition() -> None:
    """The controls show a DELETE whose duplicate comes in a later step, the rollout one that comes right after."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        first = builder.send("DELETE /things/1", scenario.first, 204, fault="duplicate-next-step")
        builder.send("DELETE /things/2", scenario.second, 204, index=1)
        if scenario.broken:
            first = builder.send("DELETE /things/1", scenario.first, 204, fault="duplicate-after")
            builder.send("DELETE /things/1", scenario.second, 404, retry=first, fault="duplicate-after")

    assert in_every_phase(play, "forward", builder=builder).verdict == "pass"


@pytest.mark.parametrize(("pair", "found"), [((0, 1), False), ((1, 2), True)])
def test_what_is_sent_early_is_held_to_what_was_sent_early(pair: tuple[int, int], found: bool) -> None:
    """1 and 2 were swapped in the controls and both answered; 0 and 1 never were."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        builder.replay = "r1"
        for index in (2, 1):
            builder.send("POST /things", scenario.first, 201, index=index, fault="reorder")
        builder.send("POST /things", scenario.second, 201, index=3)
        if scenario.broken:
            builder.replay = "r2"
            builder.send("POST /things", scenario.second, 404, index=pair[1], fault="reorder")

    assert (attributions(in_every_phase(play, "forward", builder=builder)) == FOUND) is found


def test_live_traffic_is_held_to_what_undisturbed_replays_were_answered() -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            builder.send("GET /things/1", version, 200)
            if scenario.phase == "forward":
                builder.send("GET /things/1", version, 404 if scenario.broken else 200, source="live")

    assert attributions(in_every_phase(play, "forward", builder=builder)) == FOUND
    builder = HistoryBuilder()
    assert in_every_phase(play, builder=builder).verdict == "pass"


@pytest.mark.parametrize(("status", "found"), [(200, False), (418, True)])
def test_an_answer_outside_the_contract_is_found(status: int, found: bool) -> None:
    def play(scenario: Scenario) -> None:
        healthy_session(scenario)
        for version in (scenario.first, scenario.second):
            answer = (status, {"id": "x"}) if scenario.broken else (200, {"id": "x"})
            scenario.builder.send("GET /orders/x", version, answer, index=5)

    assert (attributions(in_every_phase(play, "forward")) >= FOUND) is found


def test_versions_of_two_services_may_have_equal_names() -> None:
    """A new caller whose version is named like the old version of the callee was not built for that one."""
    import dataclasses

    from tests.checks.history_builder import orders_contracts
    from verifier.contracts.registry import ContractRegistry

    old, new = orders_contracts().entries
    strict = dataclasses.replace(old, version="2.0", guarantees=None)
    newer = dataclasses.replace(new, version="3.0", contract=None, guarantees=None)
    builder = HistoryBuilder(
        services={"orders": ("2.0", "3.0"), "web": ("1.0", "2.0")}, registry=ContractRegistry((strict, newer))
    )

    def inner(caller_version: str) -> Any:
        builder.step("forward")
        return builder.send("GET /orders/x", "3.0", (200, {"another": 1}), source="inner", caller="web",
                            caller_version=caller_version)  # fmt: skip

    from verifier.checks import compatible
    from verifier.checks.context import Context

    built_for_old, built_for_new = inner("1.0"), inner("2.0")
    found = compatible.check(Context(builder.history(), builder.registry), builder.plan()).findings
    assert {finding.evidence[0] for finding in found} == {built_for_old.id}
    assert built_for_new.id not in {finding.evidence[0] for finding in found}


def test_a_field_that_is_missing_is_said_to_be_missing_now_and_never_before() -> None:
    (told_of,) = answered((200, {"id": 1, "title": "t"}), (200, {"id": 1})).violations
    assert told_of.message.endswith("/title is missing; every answer of the old version alone has it")
    (told_of,) = answered((200, {"id": 1}), (200, {"id": "1"})).violations
    assert told_of.message.endswith("/id is string, was number in the answers of the old version alone")


@pytest.mark.parametrize(
    ("request_", "in_controls", "found"),
    [
        ("POST /names", (201, 409), False),
        ("POST /names", (201, 201), True),
        ("POST /names", (409, 409), True),
        ("GET /names/1", (200, 404), True),
    ],
)
def test_a_write_that_varies_by_itself_in_one_session_does_so_in_another(
    request_: str, in_controls: tuple[int, int], found: bool
) -> None:
    """Of replays that take one name, one gets it. A read is another matter: it asks for what its own session made."""
    builder = HistoryBuilder()
    good = 200 if request_.startswith("GET") else 201

    def play(scenario: Scenario) -> None:
        for number, status in enumerate(in_controls, 1):
            builder.replay = f"r{number}"
            builder.send(request_, scenario.first, status)
        builder.replay = "r9"
        builder.send(
            request_, scenario.second, (404 if good == 200 else 409) if scenario.broken else good, session="s2"
        )

    assert (("compatible", "mixed") in attributions(in_every_phase(play, "forward", builder=builder))) is found


@pytest.mark.parametrize(("ends_early", "found"), [(True, False), (False, True)])
def test_a_late_duplicate_after_a_session_that_ended_early_meets_what_that_did_not_remove(
    ends_early: bool, found: bool
) -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        builder.replay = "r1"
        first = builder.send("PUT /things/1", scenario.first, 200, fault="duplicate-next-step")
        if not (scenario.broken and ends_early):
            builder.send("DELETE /things/1", scenario.first, 204, index=1)
        builder.replay = "r2"
        builder.send("PUT /things/2", scenario.second, 200, index=2, session="s2")
        builder.step(scenario.phase)
        builder.replay = "r2"
        builder.send("PUT /things/2", scenario.first, 200, index=2, session="s2")
        builder.send("PUT /things/2", scenario.second, 200, index=2, session="s2")
        late = 200 if scenario.broken else 404
        builder.send("PUT /things/1", scenario.second, late, retry=first, fault="duplicate-next-step")

    assert (("compatible", "mixed") in attributions(in_every_phase(play, "forward", builder=builder))) is found


@pytest.mark.parametrize(
    ("recorded", "now", "found"),
    [(500, 200, False), (503, 204, False), (500, 303, False), (500, 404, True), (401, 200, True), (403, 200, True)],
)
def test_an_error_that_the_new_version_mends_does_not_alarm_and_an_opened_door_does(
    recorded: int, now: int, found: bool
) -> None:
    """Where old answers 5xx a success is better. A refused access that succeeds is a finding."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            builder.send("POST /tax", version, now if version == NEW else recorded)

    judgement = in_every_phase(play, builder=builder)
    assert (("compatible", "new-version") in attributions(judgement)) is found


@pytest.mark.parametrize(("of_old", "found"), [({"total": 3}, False), ({"total": "3"}, True)])
def test_a_breach_that_both_versions_have_of_their_own_documents_is_no_news(
    of_old: dict[str, Any], found: bool
) -> None:
    """Old and new declare a text and answer a number: no deployment adds that. New alone doing so is found."""
    document = {
        "openapi": "3.0.3",
        "info": {"title": "orders", "version": "1"},
        "paths": {"/bill": {"get": {"operationId": "bill", "responses": {"200": {"description": "", "content": {
            "application/json": {"schema": {"type": "object", "properties": {"total": {"type": "string"}}}}}}}}}},
    }  # fmt: skip
    with TemporaryDirectory() as folder:
        file = Path(folder) / "contract.yaml"
        file.write_text(json.dumps(document), encoding="utf-8")
        registry = ContractRegistry(tuple(version_contract("orders", version, file) for version in (OLD, NEW)))
    builder = HistoryBuilder(registry=registry)

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            builder.send("GET /bill", version, (200, of_old if version == OLD else {"total": 3}))

    news = {entry.attribution for entry in in_every_phase(play, builder=builder).violations} - {"pre-existing"}
    assert bool(news) is found
