"""Which violation is sought: what proves it, and that candidates which ran together are judged apart."""

from __future__ import annotations

from dataclasses import replace

from tests.checks.history_builder import NEW, OLD, HistoryBuilder
from verifier.checks.verdict import Violation
from verifier.history.model import Phase
from verifier.plan.model import Path, Plan, PlannedStep, Replay
from verifier.shrink.sought import Sighting, Sought, proven, seen

PHASES: tuple[Phase, ...] = ("control-old", "control-new", "forward")


def _order(builder: HistoryBuilder, session: str, replay: str, versions: tuple[str, str], twice: bool) -> None:
    """An order and its retry with the same key; `twice`: the second version does not know the key."""
    first_id, key = builder.fresh("o"), builder.fresh("k")
    again = builder.fresh("o") if twice else first_id
    builder.replay = replay
    first = builder.send("POST /orders", versions[0], (202, {"id": first_id}), key=key, session=session)
    builder.send("POST /orders", versions[1], (202, {"id": again}), key=key, retry=first, session=session)


def _run(broken: dict[str, set[str]]) -> tuple[HistoryBuilder, Plan]:
    """Two candidates, c1 and c2, tried twice in every state. `broken`: by phase, the replays that order twice."""
    builder = HistoryBuilder.of_orders()
    replays = {"c1": ("r1", "r2"), "c2": ("r3", "r4")}
    for phase in PHASES:
        builder.step(phase, kind="replace" if phase == "forward" else "start")
        versions = {"control-old": (OLD, OLD), "control-new": (NEW, NEW)}.get(phase, (NEW, OLD))
        for session, names in replays.items():
            for name in names:
                _order(builder, session, name, versions, name in broken.get(phase, set()))
    plan = builder.plan()
    planned = tuple(Replay(name, session, (NEW, OLD)) for session, names in replays.items() for name in names)

    def with_replays(step: PlannedStep) -> PlannedStep:
        return replace(step, replays=planned)

    paths = tuple(Path(path.id, path.kind, tuple(map(with_replays, path.steps))) for path in plan.paths)
    return builder, replace(plan, paths=paths)


def _violation(builder: HistoryBuilder) -> Violation:
    return next(entry for entry in builder.judge().violations if entry.guarantee == "idempotent")


def test_candidates_are_judged_apart() -> None:
    builder, plan = _run({"forward": {"r1", "r2", "r3"}})
    sought = Sought.of(_violation(builder))
    assert (sought.guarantee, sought.attribution, sought.operation) == ("idempotent", "mixed", "placeOrder")
    history = builder.history()
    assert seen(sought, history, builder.registry, plan, {"c1"}) == Sighting(2, 2, "rollout.1")
    assert seen(sought, history, builder.registry, plan, {"c2"}) == Sighting(1, 2, "rollout.1")
    assert seen(sought, history, builder.registry, plan) == Sighting(3, 4, "rollout.1")


def test_what_the_controls_of_a_candidate_show_too_is_another_violation() -> None:
    """The old version alone does it to c2: for c2 it is nothing that the mixture adds."""
    builder, plan = _run({"forward": {"r1", "r2", "r3", "r4"}, "control-old": {"r3", "r4"}})
    sought = Sought("idempotent", "mixed", "orders", "placeOrder")
    history = builder.history()
    assert seen(sought, history, builder.registry, plan, {"c1"}).shown == 2
    assert seen(sought, history, builder.registry, plan, {"c2"}).shown == 0
    assert seen(replace(sought, attribution="pre-existing"), history, builder.registry, plan, {"c2"}).shown == 2


def test_another_operation_or_guarantee_is_another_violation() -> None:
    builder, plan = _run({"forward": {"r1"}})
    sought = Sought.of(_violation(builder))
    for other in (replace(sought, operation="getOrder"), replace(sought, guarantee="available")):
        assert seen(other, builder.history(), builder.registry, plan, {"c1"}).shown == 0


def test_the_evidence_leads_back_to_its_replay_and_the_places_in_its_session() -> None:
    builder, plan = _run({"forward": {"r3"}})
    found = proven(_violation(builder), builder.history(), plan)
    (proof,) = found.proofs
    assert (proof.target.session, proof.target.route, proof.target.step) == ("c2", (NEW, OLD), "rollout.1")
    assert proof.shown == {0}
    assert (found.steps, found.made_up) == (("rollout.1",), frozenset())


def test_steps_of_the_confirmation_stand_for_those_of_the_plan() -> None:
    builder, plan = _run({"forward": {"r3"}})
    violation = replace(_violation(builder), step="confirm-rollout.1")
    assert proven(violation, builder.history(), plan).steps == ("rollout.1",)


def test_a_rate_is_told_in_words() -> None:
    assert [str(Sighting(1, 1)), str(Sighting(3, 5)), Sighting(3, 4).rate, Sighting(0, 0).rate] == [
        "1 of 1 try", "3 of 5 tries", 0.75, 0.0,
    ]  # fmt: skip
