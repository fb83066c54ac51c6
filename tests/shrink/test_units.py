"""Parts of a session: what needs what, and that a part is a recording which is learned and aimed at anew."""

from __future__ import annotations

from pathlib import Path

from tests.correlation.building import answer, request, session
from verifier.correlation import learn_all
from verifier.matrix.model import Traffic
from verifier.plan.confirmation import Target
from verifier.plan.model import Fault
from verifier.recording.model import Recording
from verifier.shrink.ddmin import with_needed
from verifier.shrink.units import FAULT, Replayed, aimed, guesses, items, needs, part, replayed

KEY = (("Idempotency-Key", "6f2a9c7e-2b51-4c0e-9a37-0d2f4f8f4b11"),)
ORDER = "0b7f6d2e-6f0e-4c5a-9a51-1e1d3c1a7c55"
TRAFFIC = Traffic(Path("shop.har"), "1", "shop")


def _recording() -> Recording:
    """An order that is waited for, a note about it, and a list that needs nothing."""
    order = session(
        (request("POST", "/orders", {"sum": 1}, KEY), answer(202, {"id": ORDER})),
        (request("GET", f"/orders/{ORDER}"), answer(200, {"id": ORDER, "status": "pending"})),
        (request("GET", f"/orders/{ORDER}"), answer(200, {"id": ORDER, "status": "paid"})),
        (request("PUT", f"/orders/{ORDER}/note", {"text": "hello"}), answer(200, {"ok": True})),
        (request("GET", "/offers"), answer(200, [])),
    )
    return Recording("shop.har", (order,))


def _replayed(fault: Fault | None = None, shown: tuple[int, ...] = (2,)) -> Replayed:
    recording = _recording()
    (script,) = learn_all(recording.sessions, began=0.0)
    target = Target("rollout.2", "s1", tuple("2121"[: len(script.steps)]), fault)
    return replayed(TRAFFIC, recording, script, target, shown)


def test_a_waiting_is_one_unit_with_all_of_its_reads() -> None:
    made = _replayed()
    assert [len(unit.exchanges) for unit in made.units] == [1, 2, 1, 1]
    assert [sorted(unit.lines) for unit in made.units] == [[1], [2, 3], [4], [5]]


def test_an_exchange_needs_the_producers_of_its_values() -> None:
    wanted = needs([_replayed()])
    assert wanted[0, 1] == {(0, 0)}
    assert (0, 0) in wanted[0, 2]
    assert not wanted[0, 0] and not wanted[0, 3]


def test_a_fault_needs_the_exchanges_that_it_disturbs() -> None:
    lost = _replayed(Fault("lost-answer", 2, "PUT /orders/{}/note", "1", "2"))
    assert needs([lost])[0, FAULT] == {(0, 2)}
    swapped = _replayed(Fault("reorder", 2, "PUT /orders/{}/note", "1", "2"))
    assert needs([swapped])[0, FAULT] == {(0, 2), (0, 3)}
    assert items([lost]) == [(0, FAULT), (0, 0), (0, 1), (0, 2), (0, 3)]


def test_what_proves_the_violation_is_guessed_first() -> None:
    lost = _replayed(Fault("lost-answer", 2, "PUT /orders/{}/note", "1", "2"), shown=(0, 2))
    parts = guesses([lost])
    assert parts[0] == {(0, 0)}
    assert {(0, 0), (0, 2), (0, FAULT)} in parts
    assert all(with_needed(found, needs([lost])) <= set(items([lost])) for found in parts)


def test_a_part_is_learned_again_and_keeps_its_route_and_its_fault() -> None:
    made = _replayed(Fault("lost-answer", 2, "PUT /orders/{}/note", "1", "2"))
    recording = part(made, [0, 2])
    assert [item.line for item in recording.sessions[0].exchanges] == [1, 4]
    (script,) = learn_all(recording.sessions, began=0.0)
    target = aimed(made, script, "c1-s1", disturbed=True)
    assert target is not None and target.fault is not None
    assert (target.session, target.route, target.fault.index) == ("c1-s1", ("2", "2"), 1)
    calm = aimed(made, script, "c1-s1", disturbed=False)
    assert calm is not None and calm.fault is None


def test_a_part_that_is_read_from_a_file_is_counted_anew() -> None:
    made = _replayed(Fault("lost-answer", 2, "PUT /orders/{}/note", "1", "2"))
    recording = part(made, [0, 2])
    (script,) = learn_all((session(*((item.request, item.response) for item in recording.sessions[0].exchanges)),),
                          began=0.0)  # fmt: skip
    target = aimed(made, script, "s1", disturbed=True, lines={1: 1, 2: 4})
    assert target is not None and target.fault is not None
    assert (target.route, target.fault.index) == (("2", "2"), 1)


def test_a_fault_without_its_exchange_cannot_be_aimed() -> None:
    made = _replayed(Fault("lost-answer", 2, "PUT /orders/{}/note", "1", "2"))
    (script,) = learn_all(part(made, [0]).sessions, began=0.0)
    assert aimed(made, script, "s1", disturbed=True) is None
    assert aimed(made, script, "s1", disturbed=False) is not None
