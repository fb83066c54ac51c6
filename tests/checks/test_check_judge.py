"""The judgement: fail beats unknown, unknown beats pass, and what was not tried is never passed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from tests.checks.history_builder import (
    NEW,
    OLD,
    PHASES,
    HistoryBuilder,
    Scenario,
    attributions,
    in_every_phase,
    with_guarantees,
)
from tests.checks.order_scenarios import healthy_session, place_order, poll_order
from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.history.model import History, Note, Operation, Phase, Replicas
from verifier.plan.model import Plan
from verifier.report.phrasing import subject


def doubled(scenario: Scenario) -> None:
    """A session in which, when broken, many guarantees fail at once."""
    builder, order = scenario.builder, healthy_session(scenario)
    if scenario.broken:
        builder.charge(order)
        builder.send(f"GET /orders/{order}", scenario.second, (200, {"id": order, "note": "old"}), index=2)
        other = place_order(scenario, order=builder.fresh("o"), key=builder.fresh("k"), to=scenario.first)
        poll_order(scenario, other, builder.fresh("o"), "pending", "done", "pending")


def as_kind(builder: HistoryBuilder, kind: str) -> History:
    """The history, in which the mailer is a service of that kind."""
    history = builder.history()
    services = tuple(
        structs.replace(entry, kind=kind) if entry.name == "mailer" else entry for entry in history.run.services
    )
    return structs.replace(history, run=structs.replace(history.run, services=services))


def told_story(*broken: Phase) -> HistoryBuilder:
    builder = HistoryBuilder.of_orders()
    in_every_phase(doubled, *broken, builder=builder)
    return builder


def test_a_run_without_a_defect_passes() -> None:
    judgement = told_story().judge()
    assert (judgement.verdict, judgement.unknowns, judgement.violations) == ("pass", (), ())
    assert {step.verdict for step in judgement.steps} == {"pass"}


@pytest.mark.parametrize(
    ("phases", "attribution"),
    [
        ({"control-old", "control-new", "forward", "rollback"}, "pre-existing"),
        ({"control-old"}, "pre-existing"),
        ({"control-new", "forward", "rollback"}, "new-version"),
        ({"forward", "rollback"}, "mixed"),
        ({"forward"}, "mixed"),
        ({"rollback"}, "rollback"),
    ],
)
def test_attribution(phases: set[Phase], attribution: str) -> None:
    def play(scenario: Scenario) -> None:
        scenario.builder.send("GET /a", scenario.first, None if scenario.broken else 200)

    assert attributions(in_every_phase(play, *phases, builder=HistoryBuilder())) == {("available", attribution)}


def test_a_loss_that_old_has_by_itself_is_no_news_after_a_rollback() -> None:
    """The same loss is called no lost write in a control and rollback safe after going back."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        read = builder.send(f"GET /things/{builder.fresh('t')}", scenario.first, 200)
        for version in (scenario.first, scenario.second):
            builder.sweep(read, version, 404 if scenario.broken else 200)

    judgement = in_every_phase(play, "control-old", "rollback", builder=builder)
    assert {attribution for _, attribution in attributions(judgement)} == {"pre-existing"}
    assert judgement.verdict == "pass"


def test_a_rollout_starts_as_a_control_does() -> None:
    """What only its first step shows, all old on fresh stores, no deployment has added."""
    builder = told_story()
    builder.step("forward", kind="start", live={"orders": (OLD,)})
    healthy_session(Scenario(builder, "forward", OLD, OLD, False))
    builder.send("GET /orders/o1", OLD, 500)
    assert attributions(builder.judge()) == {("available", "pre-existing")}
    assert builder.judge().verdict == "pass"
    builder.step("forward", kind="restart", live={"orders": (OLD,)})
    healthy_session(Scenario(builder, "forward", OLD, OLD, False))
    builder.send("GET /orders/o1", OLD, 502)
    assert attributions(builder.judge()) == {("available", "pre-existing"), ("available", "rollback")}, (
        "new has written here"
    )


def test_steps_show_where_a_guarantee_failed() -> None:
    judgement = told_story("forward").judge()
    failed = {step.id for step in judgement.steps if step.verdict == "fail"}
    assert failed == {"rollout.1", "rollout.2"}
    for step in judgement.steps:
        cells = dict(step.guarantees)
        assert cells["idempotent"] == ("fail" if step.id in failed else "pass")


# What keeps a run from passing: each takes a whole history and spoils it.
def silent_version(builder: HistoryBuilder) -> None:
    quiet = builder.step("forward")
    builder.send("GET /orders/o1", OLD, (200, {"id": "o1"}))
    assert quiet == builder.steps[-1].id


def unanswered_version(builder: HistoryBuilder) -> None:
    builder.step("rollback", live={"orders": (OLD, NEW)})
    builder.send("GET /orders/o1", OLD, (200, {"id": "o1"}))
    builder.send("POST /orders", NEW, None, error="reset", outcome="info", fault="reset")


def counts(builder: HistoryBuilder) -> None:
    builder.notes.append(Note("", "count", "3 sent, 2 answered, 0 failed"))


@pytest.mark.parametrize("spoil", [silent_version, unanswered_version, counts])
def test_what_was_not_tried_is_unknown(spoil: Callable[[HistoryBuilder], None]) -> None:
    builder = told_story()
    spoil(builder)
    judgement = builder.judge()
    assert judgement.verdict == "unknown"
    assert judgement.unknowns


def test_missing_steps_are_unknown() -> None:
    builder = told_story()
    plan = builder.plan()
    cut = structs.replace(builder.history(), steps=builder.steps[:-1])
    judgement = judge(cut, builder.registry, plan)
    assert judgement.verdict == "unknown"
    assert any(builder.steps[-1].id in sentence for sentence in judgement.unknowns)


def test_a_run_of_nothing_is_unknown() -> None:
    assert HistoryBuilder().judge().verdict == "unknown"


def test_a_run_without_a_control_is_unknown() -> None:
    builder = HistoryBuilder()
    builder.step("forward")
    for version in (OLD, NEW):
        builder.send("GET /things/1", version, 200)
    assert builder.judge().verdict == "unknown"


def test_old_equal_to_new_is_unknown() -> None:
    builder = told_story()
    plan: Plan = replace(builder.plan(), same=("orders 1.4 and 2.0 are the same image, command and environment",))
    assert judge(builder.history(), builder.registry, plan).verdict == "unknown"


@pytest.mark.parametrize(
    "declared",
    [
        "dropOrder: {idempotent: {key: $request.header.Idempotency-Key}}",
        "dropOrder: {completes: {poll: $response.header.X, state: $response.body#/s, final: [done]}}",
        "dropOrder: {effects: [{partner: psp, operation: charge, key: $request.body#/reference}]}",
        "dropOrder: {freshness: {class: read-your-writes, resource: $request.path.id}}",
        "listOrders: {freshness: {class: strong, resource: $request.query.customer}}",
    ],
)
def test_a_declared_guarantee_that_nothing_tested_is_unknown(declared: str) -> None:
    builder = HistoryBuilder(registry=with_guarantees(f"service: orders\noperations:\n  {declared}\n"))

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            builder.send("GET /orders/o1", version, (200, {"id": "o1"}))

    judgement = in_every_phase(play, builder=builder)
    assert judgement.verdict == "unknown"
    assert any(declared.partition(":")[0] in sentence for sentence in judgement.unknowns)


@pytest.mark.parametrize("spoil", [silent_version, unanswered_version, counts])
def test_fail_beats_unknown(spoil: Callable[[HistoryBuilder], None]) -> None:
    builder = told_story("forward")
    spoil(builder)
    assert builder.judge().verdict == "fail"


def test_what_the_old_version_does_too_does_not_hide_an_unknown() -> None:
    builder = told_story("control-old", "control-new", "forward", "rollback")
    assert builder.judge().verdict == "pass"
    counts(builder)
    assert builder.judge().verdict == "unknown"


def test_equal_histories_give_equal_judgements() -> None:
    first, second = told_story("forward").judge(), told_story("forward").judge()
    assert first == second


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("broken", [(), ("forward",), ("forward", "rollback")])
def test_independent_replays_may_end_in_any_order(seed: int, broken: tuple[Phase, ...]) -> None:
    """Operations of different replays change places in the history; the judgement does not."""
    builder = told_story(*broken)
    usual_order = builder.judge()
    assert bool(usual_order.violations) is bool(broken)
    history = builder.history()
    shuffled = structs.replace(history, operations=interleaved(history, random.Random(seed)))
    assert shuffled != history
    assert judge(shuffled, builder.registry, builder.plan()) == usual_order


def interleaved(history: History, draw: random.Random) -> tuple[Operation, ...]:
    """The operations of each step in another order, but those of one replay in their own."""
    found: list[Operation] = []
    for step in history.steps:
        queues: dict[str, list[Operation]] = {}
        for operation in history.operations:
            if operation.step == step.id:
                queues.setdefault(operation.replay, []).append(operation)
        while queues:
            name = draw.choice(sorted(queues))
            found.append(queues[name].pop(0))
            if not queues[name]:
                del queues[name]
    return tuple(found)


def test_the_proofs_of_a_violation_are_in_the_history() -> None:
    builder = told_story("forward")
    known = {operation.id for operation in builder.operations}
    judgement: Judgement = builder.judge()
    assert judgement.violations
    for violation in judgement.violations:
        assert violation.evidence
        assert set(violation.evidence) <= known
        assert violation.step in {step.id for step in builder.steps}
        assert violation.experience
        assert violation.message


@pytest.mark.parametrize(("kind", "verdict"), [("worker", "pass"), ("web", "unknown")])
def test_a_worker_need_not_serve(kind: str, verdict: str) -> None:
    builder = HistoryBuilder(services={"orders": (OLD, NEW), "mailer": ("1",)})
    for phase in PHASES:
        builder.step(phase)
        for entry in builder.steps[-1].state:
            if entry.service == "orders":
                builder.send("GET /orders/o1", entry.version)
    assert judge(as_kind(builder, kind), builder.registry, builder.plan()).verdict == verdict


def test_the_workers_of_a_step_are_named_in_its_violations() -> None:
    builder = HistoryBuilder(services={"orders": (OLD, NEW), "mailer": ("1",)})
    builder.step("control-old")
    builder.send("GET /orders/o1", OLD)
    builder.step("forward")
    builder.send("GET /orders/o1", NEW, 500)
    found = judge(as_kind(builder, "worker"), builder.registry, builder.plan()).violations
    assert found
    assert {violation.workers for violation in found} == {(Replicas("mailer", "1", 1),)}
    assert "with mailer 1×1" in subject(found[0])
