"""Plans of sessions that borrow: what is tested where it is a session's own, what is printed, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.small_matrix import entry, recording
from tests.plan.systems import SESSIONS, matrices, sessions, shop
from verifier.plan.faults import targets
from verifier.plan.model import ExchangeShape, Plan, SessionShape
from verifier.plan.planner import plan
from verifier.plan.render import render
from verifier.rehearsal.first_records import preparation_notes
from verifier.rehearsal.prepare import prepare

LOGIN, ORDER, NOTE = (ExchangeShape(name, "orders", True) for name in ("login", "placeOrder", "setNote"))
READ = ExchangeShape("getOrder", "orders", False)


def lent(exchange: ExchangeShape, lender: str) -> ExchangeShape:
    return replace(exchange, lender=lender)


BORROWER = SessionShape("anna", (lent(LOGIN, "desk"), lent(ORDER, "bert"), NOTE, READ))
BORROWERS = (BORROWER, SessionShape("bert", (lent(LOGIN, "desk"), ORDER, READ)), SessionShape("desk", (LOGIN,)))


def named(shapes: tuple[SessionShape, ...]) -> list[tuple[str, int]]:
    return [(session.id, index) for session, index in targets(shapes)]


def test_an_operation_is_disturbed_where_it_is_a_session_s_own() -> None:
    assert named(BORROWERS) == [("anna", 2), ("bert", 1), ("desk", 0)]


def test_what_no_session_has_of_its_own_is_disturbed_where_it_is_borrowed() -> None:
    assert named(BORROWERS[:2]) == [("anna", 2), ("bert", 1), ("anna", 0)]
    assert named(BORROWERS[:1]) == [("anna", 2), ("anna", 0), ("anna", 1)]


def test_without_borrowing_the_first_place_is_taken() -> None:
    own = tuple(replace(shape, exchanges=tuple(lent(entry, "") for entry in shape.exchanges)) for shape in BORROWERS)
    assert named(own) == [("anna", 0), ("anna", 1), ("anna", 2)]


@given(st.data())
def test_every_writing_operation_is_a_target_once_and_its_own_where_there_is_one(data: st.DataObject) -> None:
    shapes = data.draw(with_lenders(data.draw(sessions(data.draw(matrices())))))
    writes = [
        ((exchange.service, exchange.name), exchange.lender, shape.id, index)
        for shape in shapes
        for index, exchange in enumerate(shape.exchanges)
        if exchange.write
    ]
    found = targets(shapes)
    keys = [(shape.exchanges[index].service, shape.exchanges[index].name) for shape, index in found]
    assert sorted(keys) == sorted({key for key, *_ in writes})
    for key, (shape, index) in zip(keys, found, strict=True):
        places = [(name, at) for other, lender, name, at in writes if other == key and not lender]
        every = [(name, at) for other, _, name, at in writes if other == key]
        assert (shape.id, index) == (places or every)[0]


@st.composite
def with_lenders(draw: st.DrawFn, shapes: tuple[SessionShape, ...]) -> tuple[SessionShape, ...]:
    """The same sessions, some of whose exchanges are borrowed."""
    producers = st.sampled_from(["", "x"])
    return tuple(
        replace(shape, exchanges=tuple(lent(exchange, draw(producers)) for exchange in shape.exchanges))
        for shape in shapes
    )


def test_faults_are_planned_for_every_operation_and_for_no_borrowed_copy() -> None:
    made = plan(shop(budget=100_000.0), BORROWERS, 0)
    disturbed = {
        (replay.session, replay.fault.index, replay.fault.name)
        for step in made.steps
        for replay in step.replays
        if replay.fault
    }
    assert disturbed == {("anna", 2, "setNote"), ("bert", 1, "placeOrder"), ("desk", 0, "login")}
    assert made.coverage.faults.covered == made.coverage.faults.total


def test_the_printed_plan_tells_what_each_session_borrows() -> None:
    lines = render(plan(shop(), BORROWERS, 0)).splitlines()
    assert lines[1:5] == [
        "",
        "session anna takes 2 of its 4 exchanges from desk, bert, which produce values that it uses: login, placeOrder",
        "session bert takes 1 of its 3 exchanges from desk, which produce values that it uses: login",
        "",
    ]


def test_the_printed_plan_of_sessions_that_borrow_nothing_does_not_speak_of_it() -> None:
    assert "borrow" not in render(plan(shop(), SESSIONS, 0), replays=True)


MATRIX = """\
services:
  words:
    port: 80
    command: serve
    versions: {"1": {}, "2": {}}
traffic: [{recording: words.har}]
"""
TWICE = MATRIX.replace("[{recording: words.har}]", "[{recording: words.har}, {recording: words.har}]")
TOKEN = "9d7d4ec0-6d4e-4e0b-a6a2-6a0d0d1f9f11"


def recorded(folder: Path, matrix: str) -> Path:
    """A clerk reads, and polls, the order that anna has placed; the second note is refused."""
    entries = [
        entry("POST", "/orders", {}, 201, {"id": TOKEN}, 1) | {"_session": "anna"},
        entry("GET", f"/orders/{TOKEN}", None, 202, {"state": "pending"}, 3) | {"_session": "clerk"},
        entry("GET", f"/orders/{TOKEN}", None, 200, {"state": "done"}, 4) | {"_session": "clerk"},
        entry("POST", "/notes", {"text": "x"}, 409, {"error": "taken"}, 6) | {"_session": "clerk"},
    ]
    (folder / "words.har").write_text(recording(entries))
    (folder / "m.yaml").write_text(matrix)
    return folder / "m.yaml"


def test_a_plan_keeps_what_was_recorded_of_its_sessions(tmp_path: Path) -> None:
    made = prepare(recorded(tmp_path, MATRIX), 0)[0].plan
    order = ExchangeShape("POST /orders", "words", True, recorded=201)
    assert made.sessions == (
        SessionShape("anna", (order,)),
        SessionShape(
            "clerk",
            (
                lent(order, "anna"),
                ExchangeShape("GET /orders/{}", "words", False, recorded=200, polled=True, passing=(202,)),
                ExchangeShape("POST /notes", "words", True, free=True, recorded=409),
            ),
        ),
    )
    assert msgspec.json.decode(msgspec.json.encode(made), type=Plan) == made


def test_lenders_are_called_as_the_plan_calls_them(tmp_path: Path) -> None:
    """Of two recordings, the sessions of each have its number before their names."""
    made = prepare(recorded(tmp_path, TWICE), 0)[0]
    assert [shape.id for shape in made.plan.sessions] == ["1-anna", "1-clerk", "2-anna", "2-clerk"]
    assert [shape.exchanges[0].lender for shape in made.plan.sessions] == ["", "1-anna", "", "2-anna"]
    assert [note.message for note in preparation_notes(made)] == [
        f"session {name}-clerk takes 1 of its 3 exchanges from {name}-anna, which produce values that it uses: "
        "POST /orders"
        for name in (1, 2)
    ]
    assert all(note.message in render(made.plan) for note in preparation_notes(made))
