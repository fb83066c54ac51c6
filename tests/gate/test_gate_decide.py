"""The rule of the gate, point by point: what must have been rehearsed, and what a run may speak for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gate.made_evidence import DAY, NOW, builds, evidence, member, of_orders, sides, state
from verifier.gate.decide import Decision, Question, decide
from verifier.gate.model import Build, Deployment, Evidence, live

LIVE = builds(orders="1", payments="3")


def asked(*published: Evidence, there: Any = None, orders: str = "2", **more: Any) -> Decision:
    target = Build(*orders.split("@"))
    return decide(Question({"orders": target}, **more), LIVE if there is None else there, published, NOW)


def why(decision: Decision) -> str:
    return " | ".join(reason for need in decision.missing for reason in need.not_shown)


def test_no_evidence_is_unknown_and_never_a_yes() -> None:
    for there in (LIVE, {}, builds(payments="3")):
        decision = asked(there=there)
        assert (decision.reply, bool(decision.missing)) == ("unknown", True)


def test_a_run_of_exactly_what_will_be_live_together_is_a_yes_and_is_named() -> None:
    decision = asked(of_orders())
    assert decision.reply == "yes"
    assert [(need.service, need.others, need.shown_by[0].evidence.run) for need in decision.needed] == [
        ("orders", ("payments",), "r1")
    ]
    assert decision.window == builds(orders="1 2", payments="3")
    assert decision.after == builds(orders="2", payments="3")


def test_a_run_beside_another_version_says_nothing_for_or_against() -> None:
    for verdict in ("pass", "fail"):
        decision = asked(of_orders(mixed=verdict), there=builds(orders="1", payments="4"))
        assert decision.reply == "unknown"
    assert "it never had orders 1 + 2, payments 4 side by side" in why(decision)


def test_other_runs_add_up_to_the_window_unless_one_run_has_to_show_it() -> None:
    there = builds(orders="1", payments="3", mailer="7")
    states = (state(orders="1 2", mailer="7"), state(orders="2", mailer="7"))
    other = evidence("r2", (member("orders", "1", "2"), member("mailer", "7")), states)
    assert asked(of_orders(), there=there).reply == "unknown"
    assert asked(of_orders(), other, there=there).reply == "yes"
    assert asked(of_orders(), other, there=there, together=True).reply == "unknown"
    assert asked(of_orders(), there=there, apart=frozenset({"mailer"})).reply == "yes"


def test_a_run_with_a_service_that_is_not_live_is_about_another_system() -> None:
    decision = asked(of_orders(), there=builds(orders="1"))
    assert decision.reply == "unknown"
    assert "it has payments, of which nothing is recorded as live" in why(decision)
    assert asked(of_orders(), there=builds(orders="1"), apart=frozenset({"payments"})).reply == "yes"


def test_a_failure_is_not_outvoted_by_another_matrix_or_an_older_run_and_does_not_expire() -> None:
    failed = of_orders("bad", "fail", at=NOW - 30 * DAY)
    assert asked(failed, of_orders("good", matrix="other")).reply == "no"
    assert asked(failed, of_orders("good", at=NOW - 40 * DAY), max_age=DAY).reply == "no"
    decision = asked(failed, of_orders("good"))
    assert (decision.reply, decision.against) == ("yes", ()), "a newer run of the same pair takes its place"


@pytest.mark.parametrize("order", [1, -1])
def test_the_time_of_the_run_decides_and_not_the_time_of_publication(order: int) -> None:
    published = [of_orders("old", at=NOW - 9), of_orders("new", "fail", at=NOW - 5)][::order]
    assert asked(*published).reply == "no"


def test_an_unknown_run_takes_no_place_and_gives_no_yes() -> None:
    unknown = of_orders("r2", "unknown", at=NOW, unknowns=("nothing tested it",))
    assert asked(unknown).reply == "unknown"
    assert "nothing tested it" in why(asked(unknown))
    assert asked(of_orders(), unknown).reply == "yes"
    assert asked(of_orders("bad", "fail"), unknown).reply == "no"


def test_a_pass_expires() -> None:
    decision = asked(of_orders(at=NOW - 2 * DAY), max_age=DAY)
    assert decision.reply == "unknown"
    assert "is older than allowed" in why(decision)
    assert asked(of_orders(at=NOW - DAY), max_age=DAY).reply == "yes"


def test_old_and_new_must_have_run_side_by_side() -> None:
    alone = (member("orders", "1", "2"), member("payments", "3"))
    one = evidence("r1", alone, (state(orders="1", payments="3"), state(orders="2", payments="3")))
    decision = asked(one)
    assert decision.reply == "unknown"
    assert "it needs two replicas of orders for that" in why(decision)
    assert asked(one, overlap=False).reply == "yes"


def test_what_follows_the_window_counts_too() -> None:
    broken = evidence(
        "r1",
        (member("orders", "1", "2"), member("payments", "3")),
        (state(orders="1 2", payments="3"), state("fail", orders="2", payments="3")),
    )
    assert asked(broken).reply == "no"
    ended = evidence("r1", broken.members, broken.states[:1])
    assert asked(ended).reply == "unknown"


def test_a_migration_of_another_service_is_no_part_of_the_window() -> None:
    joint = (member("orders", "1", "2"), member("payments", "3", "4"))
    states = (
        state(orders="1 2", payments="3"),
        state(orders="2", payments="3"),
        state("fail", orders="2", payments="3", migrated=("payments",)),
        state("fail", orders="2", payments="3 4"),
    )
    assert asked(evidence("r1", joint, states)).reply == "yes"
    assert (
        asked(evidence("r1", joint, (*states, state("fail", orders="1", payments="3", migrated=("orders",))))).reply
        == "no"
    )


def test_a_deployment_under_way_widens_the_window() -> None:
    under_way = builds(orders="1", payments="3 4")
    assert asked(of_orders(), of_orders("r2", payments="4"), there=under_way).reply == "unknown"
    joint = (member("orders", "1", "2"), member("payments", "3", "4"))
    states = (state(orders="1 2", payments="3 4"), state(orders="2", payments="3 4"))
    assert asked(evidence("r1", joint, states), there=under_way).reply == "yes"
    assert asked(of_orders("bad", "fail"), there=under_way).reply == "no", "a part of the window that fails is enough"


def test_a_third_version_of_one_service_is_told_as_a_problem() -> None:
    decision = asked(of_orders(), there=builds(orders="0 1", payments="3"))
    assert decision.reply == "unknown"
    assert "finish or remove the deployment that is under way first" in decision.problems[0]


def test_a_digest_counts_where_both_sides_know_one() -> None:
    members = (member("orders", "1", "2", digests={"2": "sha256:a"}), member("payments", "3"))
    run = evidence("r1", members, of_orders().states)
    assert [asked(run, orders=text).reply for text in ("2", "2@sha256:a", "2@sha256:b")] == ["yes", "yes", "unknown"]
    rebuilt = builds(orders="2@sha256:a", payments="3")
    assert "two builds of orders 2 would run side by side" in asked(run, there=rebuilt, orders="2@sha256:b").problems[0]


def test_a_failure_of_another_build_of_the_version_stands_until_a_digest_tells_them_apart() -> None:
    def built(digest: str, verdict: str, at: float) -> Evidence:
        members = (member("orders", "1", "2", digests={"2": digest}), member("payments", "3"))
        return evidence(digest, members, of_orders(mixed=verdict).states, at=at)

    published = (built("sha256:a", "fail", NOW - 9), built("sha256:b", "pass", NOW - 5))
    assert [asked(*published, orders=text).reply for text in ("2", "2@sha256:a", "2@sha256:b")] == ["no", "no", "yes"]


def test_going_back_is_asked_of_states_after_a_rollback_alone() -> None:
    finished, meanwhile = builds(orders="2", payments="3"), builds(orders="1 2", payments="3")
    for there in (finished, meanwhile):
        assert asked(of_orders(mixed="fail"), there=there, orders="1", back=True).reply == "yes"
    assert asked(of_orders(), there=finished, orders="1").reply == "unknown", "forward to 1 was never rehearsed"
    never = evidence("r1", of_orders().members, of_orders().states[:2])
    assert "it never went back from orders 2, payments 3 to orders 1, payments 3" in why(
        asked(never, there=finished, orders="1", back=True)
    )
    halfway = evidence("r1", of_orders().members, (*of_orders().states[:2], of_orders().states[3]))
    assert "every-state" in why(asked(halfway, there=meanwhile, orders="1", back=True))
    damaged = state("fail", orders="1", payments="3", origin=sides(orders="1 2", payments="3"))
    bad = evidence("r1", of_orders().members, (*of_orders().states, damaged))
    assert asked(bad, there=finished, orders="1", back=True).reply == "no"
    assert asked(bad).reply == "yes", "what a rollback breaks is no objection to going forward"


def test_after_a_finished_deployment_the_contract_migrations_may_have_run() -> None:
    run = of_orders(contracted=("orders",))
    finished = builds(orders="2", payments="3")
    decision = asked(run, there=finished, orders="1", back=True)
    assert decision.reply == "unknown"
    assert "only before the contract migrations of orders" in why(decision)
    assert asked(run, there=finished, orders="1", back=True, before_contract=True).reply == "yes"
    assert asked(run, there=builds(orders="1 2", payments="3"), orders="1", back=True).reply == "yes"


def test_a_version_with_the_same_contract_stands_for_the_live_one_only_on_request() -> None:
    def beside(payments: str, contract: str, verdict: str = "pass") -> Evidence:
        members = (member("orders", "1", "2"), member("payments", payments, contract=contract))
        return evidence(f"r{payments}", members, of_orders(mixed=verdict, payments=payments).states)

    def known(contract: str) -> Evidence:
        return evidence("r9", (member("payments", "4", contract=contract),), ())

    there = builds(orders="1", payments="4")
    assert asked(beside("3", "c"), known("c"), there=there).reply == "unknown"
    decision = asked(beside("3", "c"), known("c"), there=there, by_contract=True)
    assert decision.reply == "yes"
    assert decision.needed[0].shown_by[0].bridges == ("payments 3 has the same contract as 4, which is live",)
    assert asked(beside("3", "c"), known("d"), there=there, by_contract=True).reply == "unknown"
    assert asked(beside("3", ""), known(""), there=there, by_contract=True).reply == "unknown"
    assert asked(beside("3", "c", "fail"), known("c"), there=there, by_contract=True).reply == "no"


def test_what_is_live_already_needs_evidence_of_itself() -> None:
    assert asked(of_orders(), there=builds(orders="2", payments="3")).reply == "yes"
    assert asked(of_orders(), there=builds(orders="5", payments="3"), orders="5").reply == "unknown"


def test_live_builds_follow_from_what_was_recorded() -> None:
    def at(*told: str) -> dict[str, tuple[Build, ...]]:
        entries = (text.split() for text in told)
        return live(Deployment("p", "orders", Build(*build.split("@")), stage, 0.0) for stage, build in entries)  # type: ignore[arg-type]

    assert at("finished 1", "started 2") == builds(orders="1 2")
    assert at("finished 1", "started 2", "finished 2") == builds(orders="2")
    assert at("finished 1", "started 2", "finished 1") == builds(orders="1")
    assert at("finished 1", "started 2", "removed 2") == builds(orders="1")
    assert at("finished 1", "removed 1") == {}
    assert at("finished 1", "started 2@sha256:a", "started 2") == builds(orders="1 2@sha256:a")
