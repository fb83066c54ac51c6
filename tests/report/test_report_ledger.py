"""The ledger: what happened to an operation, told from its attempts, its effects and what is usual."""

from __future__ import annotations

import pytest
import report_values as values
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from report_values import charge, operation

from verifier.history.model import End, History, Operation
from verifier.report.ledger import EffectCount, LedgerEntry, _roots, ledger, noteworthy


def of(name: str, *more: Operation, ends: tuple[End, ...] = ()) -> LedgerEntry:
    history = values.history(*more)
    history = structs.replace(history, ends=ends)
    return next(entry for entry in ledger(history) if entry.operation == name)


def test_a_retry_that_was_charged_again_is_doubled() -> None:
    entry = of("rollout.2/r7/1.1")
    assert entry.happened == "doubled"
    assert entry.effects == (EffectCount("psp", "charge", applied=2, suppressed=0, expected=1),)
    assert entry.touched == (("orders", "1.4"), ("orders", "2.1"))
    assert entry.attempts == ("rollout.2/r7/1.1", "rollout.2/r7/1.2")
    assert entry.answers == ("202 lost", "202 accepted")
    assert entry.safe_now == "Do not retry; reverse 1 × psp.charge."


def test_its_twin_a_duplicate_that_was_recognised_is_done_once() -> None:
    entry = of("rollout.2/r8/1.1")
    assert entry.happened == "done once"
    assert entry.effects == (EffectCount("psp", "charge", applied=1, suppressed=1, expected=1),)
    assert entry.safe_now == "Nothing to do. The duplicate was recognised."


def test_two_effects_are_not_doubled_where_two_are_usual() -> None:
    first = operation("r1/2.1", "control-old-1.1", index=1, started=2.0)
    disturbed = operation("r9/2.1", "rollout.2", index=1, fault="duplicate-after", started=14.0)
    more = [first, charge(first, 1, 2.1), charge(first, 2, 2.2), disturbed]
    entry = of("rollout.2/r9/2.1", *more, charge(disturbed, 1, 14.1), charge(disturbed, 2, 14.2))
    assert entry.happened == "done once"
    assert entry.effects[0].expected == 2


def test_what_is_usual_comes_from_the_old_control_not_from_the_mixture() -> None:
    mixed = [operation(f"m{number}/1.1", "rollout.2", started=20.0 + number) for number in range(5)]
    effects = [charge(entry, number, entry.started) for entry in mixed for number in (1, 2)]
    entry = of("rollout.2/m0/1.1", *mixed, *effects)
    assert entry.effects[0].expected == 1
    assert entry.happened == "doubled"


def test_acknowledged_without_its_effect_is_missing() -> None:
    entry = of("rollout.2/r9/1.1", operation("r9/1.1", "rollout.2", fault="lost-answer", started=14.0))
    assert entry.happened == "missing"
    assert "1 × psp.charge is missing" in entry.safe_now


def test_refused_without_an_effect_did_not_happen_and_may_be_sent_again() -> None:
    refused = operation("r9/1.1", "rollout.2", response=None, error="refused", outcome="fail", fault="reset")
    entry = of("rollout.2/r9/1.1", refused)
    assert (entry.happened, entry.safe_now) == ("did not happen", "Safe to retry.")
    assert entry.answers == ("refused fail",)
    assert entry.touched == ()


def test_refused_although_it_took_effect_is_not_called_safe_to_send_again() -> None:
    refused = operation("r9/1.1", "rollout.2", response=None, error="refused", outcome="fail", fault="reset")
    assert of("rollout.2/r9/1.1", refused, charge(refused, 1, 14.0)).happened == "done once"


def test_accepted_and_still_running_is_not_finished() -> None:
    running = operation("r9/1.1", "rollout.2", fault="duplicate-after")
    end = End(
        step="rollout.2", replay="r9", session="s1", index=0, operation=running.id, service=running.service,
        name=running.name, version=running.version, how="open", shown="pending", waited=5.0, bound=5.0, reads=20,
        last=running.id, at=running.ended + 5.0,
    )  # fmt: skip
    assert of(running.id, running, ends=(end,)).happened == "not finished"
    ended = structs.replace(end, how="ended", shown="done")
    assert of(running.id, running, ends=(ended,)).happened != "not finished"


def test_without_an_answer_and_without_an_effect_it_may_have_happened() -> None:
    cut = operation("r9/1.1", "rollout.2", response=None, error="timeout", outcome="info", fault="reset")
    entry = of(cut.id, cut)
    assert entry.happened == "may have happened"
    assert "only with the same key" in entry.safe_now


def test_an_effect_that_belongs_to_inner_calls_counts_for_the_client_operation() -> None:
    first = operation("r9/1.1", "rollout.2", fault="inner-lost-answer", started=14.0)
    inner = structs.replace(
        charge(first, 1, 14.1),
        id=f"{first.id}/payments-1",
        source="inner",
        service="payments",
        version="1.2",
        effect="",
    )
    entry = of(first.id, first, inner, structs.replace(charge(first, 1, 14.2), parent=inner.id))
    assert entry.happened == "done once"
    assert entry.touched == (("orders", "1.4"), ("payments", "1.2"))


def test_a_sweep_belongs_to_no_earlier_operation() -> None:
    read = operation("r9/1.1", "rollout.2", fault="slow-read")
    swept = operation("sweep1-1/2.1", "rollout.2", source="sweep", parent=read.id, version="2.1", started=15.0)
    assert of(read.id, read, swept).touched == (("orders", "1.4"),)


def test_undisturbed_operations_are_noteworthy_only_with_unusual_effects() -> None:
    twice = operation("r5/1.1", "rollout.2", started=14.0)
    history = values.history(twice, charge(twice, 1, 14.1), charge(twice, 2, 14.2))
    names = [entry.operation for entry in noteworthy(ledger(history))]
    assert names == ["rollout.2/r7/1.1", "rollout.2/r8/1.1", "rollout.2/r5/1.1"]


@given(st.permutations(range(8)), st.data())
def test_every_operation_belongs_to_the_top_of_its_parents(order: list[int], data: st.DataObject) -> None:
    """Against brute force, for random forests in any order of recording; parents may be unknown."""
    parents = {number: data.draw(st.sampled_from([-1, 99, *order[:place]])) for place, number in enumerate(order)}
    made = [operation(str(number), "s", parent=f"s/{up}" if up >= 0 else "") for number, up in parents.items()]
    shuffled = data.draw(st.permutations(made))

    def top(number: int) -> str:
        up = parents.get(number, -1)
        return f"s/{number}" if up < 0 else top(up)

    assert _roots(shuffled) | {"s/99": "s/99"} == {f"s/{number}": top(number) for number in (*order, 99)}


def test_parents_in_a_circle_end() -> None:
    assert set(_roots([operation("a", "s", parent="s/b"), operation("b", "s", parent="s/a")])) == {"s/a", "s/b"}


@pytest.mark.parametrize("empty", [History(values.history().run, (), (), (), (), ())])
def test_an_empty_history_has_an_empty_ledger(empty: History) -> None:
    assert ledger(empty) == ()
