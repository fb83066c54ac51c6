"""Effects at partners that nobody declares: the calls that a write causes in the controls, and no others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.checks.history_builder import NEW, OLD, HistoryBuilder, Play, Scenario, attributions, in_every_phase
from verifier.history.model import Operation

HONEST, ONCE = "honest completion", "exactly-once effect"
Made = Callable[[HistoryBuilder, str, str], object]  # calls of the partner: builder, reference, version


def found(play: Play, *broken: str) -> set[tuple[str, str]]:
    """What the judge finds when a scenario is played four times in every phase, with nothing declared."""

    def often(scenario: Scenario) -> None:
        for number in range(4):
            scenario.builder.replay = f"{scenario.first}-{scenario.second}-{number}"
            play(scenario)

    return attributions(in_every_phase(often, *broken, builder=HistoryBuilder()))  # type: ignore[arg-type]


def order(builder: HistoryBuilder, version: str, **more: object) -> tuple[Operation, str]:
    """An order with a reference of its own."""
    reference = builder.fresh("reference-")
    return builder.send("POST /orders", version, (202, {"state": "queued"}), body={"ref": reference}, **more), reference  # type: ignore[arg-type]


def call(
    builder: HistoryBuilder, what: str, body: object, version: str, effect: str = "applied", **more: object
) -> None:
    """A call of a partner without a contract: the path is its name."""
    name = what.partition("?")[0]
    builder.send(what, "", 200, body=body, source="partner", service="hook", name=name, caller="orders",
                 caller_version=version, effect=effect, index=-1, session="", **{"replay": "", **more})  # type: ignore[arg-type]  # fmt: skip


def notified(builder: HistoryBuilder, reference: str, version: str) -> None:
    call(builder, "POST /deliveries", {"text": f"order {reference} is there"}, version)


def nothing(builder: HistoryBuilder, reference: str, version: str) -> None:
    """No call."""


def twice(builder: HistoryBuilder, reference: str, version: str) -> None:
    notified(builder, reference, version)
    notified(builder, reference, version)


def elsewhere(builder: HistoryBuilder, reference: str, version: str) -> None:
    call(builder, "POST /old-deliveries", {"text": f"order {reference} is there"}, version)


def without_the_value(builder: HistoryBuilder, reference: str, version: str) -> None:
    call(builder, "POST /deliveries", {"text": "order None is there"}, version)


def retried_with_key(builder: HistoryBuilder, reference: str, version: str) -> None:
    """The answer was lost, so the service calls again; the partner knows the key."""
    notified(builder, reference, version)
    call(builder, "POST /deliveries", {"text": f"order {reference} is there"}, version, effect="suppressed")


def in_the_path(builder: HistoryBuilder, reference: str, version: str) -> None:
    call(builder, f"PUT /deliveries/{reference}/sent", {}, version)


def in_a_query(builder: HistoryBuilder, reference: str, version: str) -> None:
    call(builder, f"POST /deliveries?ref={reference}", {}, version)


@pytest.mark.parametrize(
    ("otherwise", "guarantees"),
    [
        (nothing, {HONEST}),
        (twice, {ONCE}),
        (elsewhere, {HONEST, ONCE}),
        (without_the_value, {HONEST}),
        (notified, set()),
    ],
)
@pytest.mark.parametrize("usual", [notified, in_the_path, in_a_query])
def test_a_mixture_must_cause_the_calls_of_the_controls(usual: Made, otherwise: Made, guarantees: set[str]) -> None:
    otherwise = {notified: usual, twice: lambda *given: (usual(*given), usual(*given))}.get(otherwise, otherwise)

    def play(scenario: Scenario) -> None:
        _, reference = order(scenario.builder, scenario.first)
        (otherwise if scenario.broken else usual)(scenario.builder, reference, scenario.second)
        scenario.builder.send("GET /orders", scenario.second, (200, []), index=1)

    assert found(play, "forward") == {(guarantee, "mixed") for guarantee in guarantees}


def test_a_call_that_the_partner_knew_by_its_key_is_no_second_effect() -> None:
    def play(scenario: Scenario) -> None:
        _, reference = order(scenario.builder, scenario.first)
        (retried_with_key if scenario.broken else notified)(scenario.builder, reference, scenario.second)

    assert found(play, "forward") == set()


def test_the_finding_names_the_calls_of_the_partner() -> None:
    def play(scenario: Scenario) -> None:
        _, reference = order(scenario.builder, scenario.first)
        (twice if scenario.broken else notified)(scenario.builder, reference, scenario.second)

    (shown,) = in_every_phase(play, "forward", builder=HistoryBuilder()).violations
    assert "hook POST /deliveries was called twice for one request" in shown.message
    assert "in the controls once" in shown.message
    assert f"by orders {NEW} at " in shown.message


def test_a_call_in_a_later_step_is_late_and_not_missing() -> None:
    owed: list[str] = []

    def play(scenario: Scenario) -> None:
        for reference in owed:
            notified(scenario.builder, reference, scenario.first)
        owed.clear()
        _, reference = order(scenario.builder, scenario.first)
        if scenario.broken:
            owed.append(reference)
        else:
            notified(scenario.builder, reference, scenario.first)

    assert found(play, "forward") == set()


@pytest.mark.parametrize(
    ("phases", "attribution"), [(("forward", "rollback"), "mixed"), (("control-new", "forward"), "new-version")]
)
def test_whose_doing_a_missing_call_is(phases: tuple[str, ...], attribution: str) -> None:
    def play(scenario: Scenario) -> None:
        _, reference = order(scenario.builder, scenario.first)
        if not (scenario.broken or ("control-new" in phases and NEW in (scenario.first, scenario.second))):
            notified(scenario.builder, reference, scenario.first)
        scenario.builder.send("GET /orders", scenario.second, (200, []), index=1)

    assert (HONEST, attribution) in found(play, *phases)


def test_what_varies_in_the_controls_may_vary() -> None:
    turns = iter(range(1000))

    def play(scenario: Scenario) -> None:
        _, reference = order(scenario.builder, scenario.first)
        for _ in range(next(turns) % 3):
            notified(scenario.builder, reference, scenario.first)

    assert found(play) == set()


@pytest.mark.parametrize(
    ("calls", "expected"), [(1, set()), (2, set()), (3, {(ONCE, "mixed")}), (0, {(HONEST, "mixed")})]
)
def test_the_disturbed_are_compared_with_the_disturbed(calls: int, expected: set[tuple[str, str]]) -> None:
    """The old version does a repeated request again. That is no news in the mixture, but three times is."""

    def play(scenario: Scenario) -> None:
        builder, replay = scenario.builder, scenario.builder.replay
        _, reference = order(builder, scenario.first)
        notified(builder, reference, scenario.first)
        builder.replay = f"{replay}-retried"
        first, again = order(builder, scenario.first, fault="lost-answer")
        builder.send("POST /orders", scenario.second, (202, {"state": "queued"}), body={"ref": again}, retry=first,
                     fault="lost-answer")  # fmt: skip
        for _ in range(calls if scenario.broken else 2):
            notified(builder, again, scenario.second)
        builder.send("GET /orders", scenario.second, (200, []), index=1)

    assert found(play, "forward") == expected


def test_an_operation_that_the_new_version_calls_instead_is_its_own() -> None:
    def play(scenario: Scenario) -> None:
        _, reference = order(scenario.builder, scenario.first)
        (notified if scenario.second == OLD else elsewhere)(scenario.builder, reference, scenario.second)

    assert found(play) == set()


def test_both_operations_for_one_request_are_one_too_many() -> None:
    def play(scenario: Scenario) -> None:
        _, reference = order(scenario.builder, scenario.first)
        for version in {scenario.first, scenario.second}:
            (notified if version == OLD else elsewhere)(scenario.builder, reference, version)

    assert found(play) == {(ONCE, "mixed")}


@pytest.mark.parametrize("missing", [True, False])
def test_numbers_link_where_they_go_together_in_every_control(missing: bool) -> None:
    def play(scenario: Scenario) -> None:
        number = int(scenario.builder.fresh(""))
        scenario.builder.send("POST /orders", scenario.first, (201, {"id": number}), body={"amount": 5})
        if not (scenario.broken and missing):
            call(scenario.builder, "POST /deliveries", {"order": number, "amount": 5}, scenario.first)
        scenario.builder.send("GET /orders", scenario.first, (200, []), index=1)

    assert found(play, "forward") == ({(HONEST, "mixed")} if missing else set())


def test_a_session_that_broke_off_before_the_request_that_calls_is_not_judged() -> None:
    def play(scenario: Scenario) -> None:
        _, reference = order(scenario.builder, scenario.first)
        if scenario.broken:
            return
        scenario.builder.send(f"GET /orders/{reference}/confirmation", scenario.second, 200, index=1)
        notified(scenario.builder, reference, scenario.second)

    assert not {guarantee for guarantee, _ in found(play, "forward")} & {HONEST, ONCE}


def test_a_refused_write_owes_nothing() -> None:
    def play(scenario: Scenario) -> None:
        if scenario.broken:
            scenario.builder.send(
                "POST /orders", scenario.first, 503, body={"ref": scenario.builder.fresh("reference-")}
            )
            return
        _, reference = order(scenario.builder, scenario.first)
        notified(scenario.builder, reference, scenario.first)

    assert HONEST not in {guarantee for guarantee, _ in found(play, "forward")}


def test_each_write_of_a_session_owes_its_own_calls() -> None:
    """Two writes carry one id, and each causes one call; the second one's is missing."""

    def play(scenario: Scenario) -> None:
        _, reference = order(scenario.builder, scenario.first)
        notified(scenario.builder, reference, scenario.first)
        scenario.builder.send(f"POST /orders/{reference}/payments", scenario.second, 201, index=1)
        if not scenario.broken:
            call(scenario.builder, "POST /charges", {"ref": reference}, scenario.second)
        scenario.builder.send("GET /orders", scenario.second, (200, []), index=2)

    judgement = found(play, "forward")
    assert judgement == {(HONEST, "mixed")}


def started_by_old(builder: HistoryBuilder) -> str:
    """Controls whose calls come a moment later, and a rollout whose first state has just accepted an order.

    Returns the reference of that order.
    """
    for _ in range(2):
        builder.step("control-old")
        for number in range(4):
            builder.replay = f"r{number}"
            _, reference = order(builder, OLD)
            builder.send("GET /orders", OLD, (200, []), index=1)
            builder.send("GET /orders", OLD, (200, []), index=1, replay="another")
            notified(builder, reference, OLD)
    builder.step("forward", kind="start", live={"orders": (OLD,)})
    _, reference = order(builder, OLD)
    builder.send("GET /orders", OLD, (200, []), index=1)
    return reference


@pytest.mark.parametrize(
    ("calls", "expected"),
    [(0, {(HONEST, "mixed")}), (1, set()), (2, {(ONCE, "mixed")})],
)
def test_what_the_mixture_does_to_older_work_is_the_mixtures(calls: int, expected: set[tuple[str, str]]) -> None:
    builder = HistoryBuilder()
    reference = started_by_old(builder)
    builder.step("forward")
    for _ in range(calls):
        notified(builder, reference, NEW)
    for _ in range(20):
        builder.send("GET /orders", NEW, (200, []), index=1, replay="another")
    assert attributions(builder.judge()) == expected


@pytest.mark.parametrize("gone_on", [True, False])
def test_work_that_the_end_of_a_path_cut_off_is_not_missing(gone_on: bool) -> None:
    builder = HistoryBuilder()
    started_by_old(builder)
    for _ in range(20 if gone_on else 0):
        builder.send("GET /orders", OLD, (200, []), index=1, replay="another")
    assert {found.guarantee for found in builder.judge().violations} == ({HONEST} if gone_on else set())
