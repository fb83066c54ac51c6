"""What a client may wait for: found in a recording by example, and planted in random ones."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.correlation.building import answer, playing, request, script
from verifier.correlation import Waiting
from verifier.correlation.conditions import CountReaches, EntryAppears, FieldReaches, StatusIs
from verifier.http.message import Request, Response

MINE, OTHER, THIRD = (f"n-{letter * 3}7f3a9c51e2b84d06" for letter in "abc")
JOB = "58b220cc-2842-4b24-887b-2a872f7792db"
ACCEPT = (request("POST", "/jobs", {"n": MINE}), answer(202, {"id": JOB}))


def reads(target: str, *bodies: Any, headers: tuple[tuple[str, str], ...] = ()) -> list[tuple[Request, Response]]:
    return [
        (request("GET", target, None, headers), body if isinstance(body, Response) else answer(200, body))
        for body in bodies
    ]


def waitings(*pairs: tuple[Request, Response]) -> list[Waiting | None]:
    return [step.waiting for step in script(*pairs).steps]


def the_waiting(*pairs: tuple[Request, Response]) -> Waiting:
    (found,) = [waiting for waiting in waitings(*pairs) if waiting is not None]
    return found


def entries(*names: str) -> list[dict[str, str]]:
    return [{"n": name, "by": "old"} for name in names]


# --- lists, searches, pages, texts ---


def test_an_entry_that_appears_is_the_client_s_own_whatever_others_add() -> None:
    waiting = the_waiting(ACCEPT, *reads("/done", entries(), entries(OTHER), entries(OTHER, MINE, THIRD)))
    (condition,) = waiting.until
    assert isinstance(condition, EntryAppears) and condition.value.text == MINE and condition.value.slot is not None
    assert (waiting.count, waiting.write, waiting.passing) == (3, 0, ())
    made = script(ACCEPT, *reads("/done", entries(), entries(MINE)))
    player = playing(made, "7", 0.0)
    sent = json.loads(player.request(0).body)["n"]
    assert sent != MINE
    own = made.steps[1].waiting.of(player.values, {})  # type: ignore[union-attr]
    assert own.done(answer(200, entries(OTHER, sent))) and not own.done(answer(200, entries(MINE, OTHER)))
    assert sent in own.wanted


def test_a_list_that_grows_by_entries_of_others_is_no_entry_that_appears() -> None:
    others = [entries(), entries(OTHER), entries(OTHER, THIRD)]
    accepted = [waiting for waiting in waitings(ACCEPT, *reads("/done", *others)) if waiting is not None]
    assert [type(condition) for waiting in accepted for condition in waiting.until] == [CountReaches]
    done = (request("POST", "/jobs", {"n": MINE}), answer(201, {"id": JOB}))
    assert waitings(done, *reads("/done", *others)) == [None] * 4
    assert waitings(*reads("/done", *others)) == [None] * 3


def test_an_entry_is_known_by_the_id_that_the_response_gave() -> None:
    made = script(ACCEPT, *reads("/done", [], [{"job": {"ref": f"jobs/{JOB}"}}]))
    waiting = made.steps[1].waiting
    assert waiting is not None
    player = playing(made, "1", 0.0)
    player.request(0)
    player.learn(0, answer(202, {"id": "0b0b220c-0842-4b24-887b-2a872f779200"}))
    own = waiting.of(player.values, {})
    assert own.done(answer(200, [{"job": {"ref": "jobs/0b0b220c-0842-4b24-887b-2a872f779200"}}]))
    assert not own.done(answer(200, [{"job": {"ref": f"jobs/{JOB}"}}]))


def test_an_entry_is_known_by_a_short_id_under_its_name_only() -> None:
    post = (request("POST", "/jobs", {"kind": "a"}), answer(202, {"id": 7}))
    made = script(post, *reads("/done", [{"id": 3, "n": 7}], [{"id": 3, "n": 7}, {"id": 7, "n": 1}]))
    waiting = made.steps[1].waiting
    assert waiting is not None
    player = playing(made, "1", 0.0)
    player.learn(0, answer(202, {"id": 12}))
    own = waiting.of(player.values, {})
    assert own.done(answer(200, [{"id": 12, "n": 1}])) and not own.done(answer(200, [{"id": 3, "n": 12}, {"id": 7}]))


def test_an_entry_that_leaves_a_queue() -> None:
    (condition,) = the_waiting(ACCEPT, *reads("/queue", entries(OTHER, MINE), entries(OTHER, MINE), entries())).until
    assert isinstance(condition, EntryAppears) and condition.leaves and condition.value.text == MINE


def test_a_search_that_repeats_what_it_was_asked_for_shows_the_entry_only_in_the_end() -> None:
    def page(*found: str) -> Any:
        return {"query": MINE, "filters": [{"n": MINE}], "results": [{"title": f"invoice {name}"} for name in found]}

    made = script(ACCEPT, *reads(f"/search?q={MINE}", page(), page(), page(MINE)))
    waiting = made.steps[1].waiting
    assert waiting is not None and waiting.count == 3
    assert waiting.done(answer(200, page(MINE))) and not waiting.done(answer(200, page()))


@pytest.mark.parametrize("kind", ["<li>{}</li>", "<job ref='{}'/>", "job {}: done\n"])
def test_an_entry_in_a_page_or_a_text(kind: str) -> None:
    def page(*names: str) -> str:
        return "<ul>" * (kind[0] == "<") + "".join(map(kind.format, names))

    (condition,) = the_waiting(ACCEPT, *reads("/done.html", page(), page(OTHER), page(OTHER, MINE))).until
    assert isinstance(condition, EntryAppears) and condition.value.text == MINE


def test_the_entries_of_several_writes_are_waited_for_together() -> None:
    other = (request("POST", "/jobs", {"n": OTHER}), answer(202, {"id": str(uuid.UUID(int=7**40, version=4))}))
    waiting = the_waiting(ACCEPT, other, *reads("/done", entries(), entries(OTHER), entries(OTHER, MINE)))
    assert {own.text for own in waiting.own} == {MINE, OTHER}


# --- fields ---


@pytest.mark.parametrize(
    ("states", "path", "becomes"),
    [
        ([{"state": "queued"}, {"state": "running"}, {"state": "done"}], ("state",), "text"),
        ([{"job": {"ready": False}}, {"job": {"ready": True}}], ("job", "ready"), "text"),
        ([{"status": 0, "n": 1}, {"status": 3, "n": 1}], ("status",), "text"),
        ([{"document": None}, {"document": "/d/1.pdf"}], ("document",), "set"),
        ([{"result": ""}, {"result": "x y 1"}], ("result",), "set"),
        ([{"lock": "me 1"}, {"lock": None}], ("lock",), "unset"),
        ([{"state": "queued", "by": "alpha", "result": None}, {"state": "done", "by": "beta", "result": 7}],
         ("state",), "text"),
    ],
)  # fmt: skip
def test_a_field_that_reaches_a_value(states: list[Any], path: tuple[str, ...], becomes: str) -> None:
    waiting = the_waiting(*reads("/jobs/1", *states))
    assert [(condition.path, condition.becomes) for condition in waiting.until] == [(path, becomes)]  # type: ignore[union-attr]
    assert [waiting.done(answer(200, state)) for state in states] == [False] * (len(states) - 1) + [True]


def test_the_state_of_the_own_entry_in_a_list_with_others() -> None:
    def jobs(mine: str, other: str) -> list[Any]:
        return [{"id": OTHER, "state": other}, {"id": JOB, "state": mine}]

    made = script(ACCEPT, *reads("/jobs", jobs("queued", "done"), jobs("queued", "done"), jobs("done", "queued")))
    waiting = made.steps[1].waiting
    assert waiting is not None
    (condition,) = waiting.until
    assert isinstance(condition, FieldReaches) and condition.path[-1] == "state"
    player = playing(made, "1", 0.0)
    player.learn(0, answer(202, {"id": THIRD}))
    own = waiting.of(player.values, {})
    assert own.done(answer(200, [{"id": THIRD, "state": "done"}, {"id": JOB, "state": "queued"}]))
    assert not own.done(answer(200, [{"id": THIRD, "state": "queued"}, {"id": JOB, "state": "done"}]))
    assert own.last(answer(200, [{"id": THIRD, "state": "queued"}])) == "queued"


def test_the_state_of_the_own_entry_in_a_mapping() -> None:
    made = script(ACCEPT, *reads("/jobs", {"jobs": {JOB: {"state": "new"}}}, {"jobs": {JOB: {"state": "done"}}}))
    player = playing(made, "1", 0.0)
    player.learn(0, answer(202, {"id": THIRD}))
    own = made.steps[1].waiting.of(player.values, {})  # type: ignore[union-attr]
    assert own.done(answer(200, {"jobs": {JOB: {"state": "new"}, THIRD: {"state": "done"}}}))


def test_a_text_whose_word_changes() -> None:
    waiting = the_waiting(ACCEPT, *reads(f"/jobs/{JOB}", "<p>job: <b>queued</b></p>", "<p>job: <b>finished</b></p>"))
    assert waiting.done(answer(200, "<p>job: <b>finished</b></p>"))
    assert not waiting.done(answer(200, "<p>job: <b>queued</b></p>"))


def test_reads_after_the_end_stand_for_themselves() -> None:
    states = [{"state": word} for word in ("queued", "queued", "done", "done", "done")]
    found = waitings(*reads("/jobs/1", *states))
    assert [waiting and waiting.count for waiting in found] == [3, None, None]


def test_a_state_that_comes_and_goes_is_not_waited_for() -> None:
    states = [{"state": word} for word in ("idle", "busy", "idle", "busy")]
    assert waitings(*reads("/worker", *states)) == [None] * 4


# --- counts ---


def test_a_count_that_grows_after_an_accepted_write() -> None:
    before = reads("/stats", {"done": 5, "at": 1})
    counts = [{"done": count, "at": at} for at, count in enumerate((5, 5, 6))]
    made = script(*before, ACCEPT, *reads("/stats", *counts))
    waiting = made.steps[2].waiting
    assert waiting is not None
    (condition,) = waiting.until
    assert condition == CountReaches(("done",), 6, rises=True, change=1, before=0)
    assert waiting.needs == {0, 1}
    own = waiting.of([], {0: answer(200, {"done": 31})})
    assert own.done(answer(200, {"done": 32})) and not own.done(answer(200, {"done": 31}))
    assert own.last(answer(200, {"done": 31})) == "31"


def test_a_queue_that_runs_empty() -> None:
    waiting = the_waiting(ACCEPT, *reads("/queue", {"jobs": ["x", "y"]}, {"jobs": ["x"]}, {"jobs": []}))
    assert waiting.until == (CountReaches(("jobs",), 0, rises=False),)


@pytest.mark.parametrize("member", ["uptime", "time", "hits", "stock"])
def test_numbers_that_change_by_themselves_are_not_waited_for(member: str) -> None:
    done = (request("POST", "/things", {"a": 1}), answer(201, {"id": JOB}))
    assert waitings(done, *reads("/x", {member: 5}, {member: 4}, {member: 3})) == [None] * 4


# --- statuses ---


@pytest.mark.parametrize(
    ("statuses", "passing"), [((404, 404, 200), (404,)), ((202, 202, 303), (202,)), ((304, 304, 200), (304,))]
)
def test_a_status_that_changes(statuses: tuple[int, ...], passing: tuple[int, ...]) -> None:
    waiting = the_waiting(ACCEPT, *reads(f"/jobs/{JOB}", *(answer(status) for status in statuses)))
    assert (waiting.until, waiting.passing) == ((StatusIs(statuses[-1]),), passing)


@pytest.mark.parametrize("statuses", [(200, 304), (200, 500), (200, 401)])
def test_a_status_that_nobody_waits_for(statuses: tuple[int, ...]) -> None:
    assert waitings(*reads(f"/jobs/{JOB}", *(answer(status) for status in statuses))) == [None] * 2


def test_something_that_is_gone_in_the_end() -> None:
    delete = (request("DELETE", "/jobs/1"), answer(202))
    waiting = the_waiting(delete, *reads("/jobs/1", answer(200, {"id": 1}), answer(200, {"id": 1}), answer(404)))
    assert waiting.until == (StatusIs(404),)


def test_conditional_reads_are_one_waiting() -> None:
    def tagged(status: int, tag: str, body: Any = None) -> Response:
        return answer(status, body, (("ETag", tag),))

    first = reads("/jobs/1", tagged(200, '"a"', {"state": "queued"}))
    again = reads(
        "/jobs/1", tagged(304, '"a"'), tagged(200, '"b"', {"state": "done"}), headers=(("If-None-Match", '"a"'),)
    )
    waiting = the_waiting(*first, *again)
    assert (waiting.count, waiting.conditional, waiting.passing) == (3, True, (304,))
    assert waiting.until == (FieldReaches(("state",), "text", "done"),)


# --- reads in turn, single reads, giving up ---


def test_two_reads_in_turn_are_two_runs() -> None:
    def look(state: str, *names: str) -> list[tuple[Request, Response]]:
        return [*reads(f"/jobs/{JOB}", {"state": state}), *reads("/done", entries(*names))]

    steps = script(ACCEPT, *look("queued"), *look("running", OTHER), *look("done", OTHER, MINE)).steps
    assert [(step.name, step.waiting and step.waiting.wanted) for step in steps[1:]] == [
        ("GET /jobs/{}", "$.state = done"),
        ("GET /done", f"entry {MINE} appears"),
    ]


def test_other_reads_between_do_not_hide_what_a_later_request_needs() -> None:
    pairs = [*reads("/jobs", [{"id": JOB}]), *reads(f"/jobs/{JOB}", {"n": 1}), *reads("/jobs", [{"id": JOB}])]
    assert waitings(*pairs) == [None] * 3


def test_a_single_read_that_shows_what_a_write_promised() -> None:
    post = (request("POST", "/exports", {"name": MINE}), answer(202, {"id": JOB, "state": "queued", "url": None}))
    read = reads(f"/exports/{JOB}", {"id": JOB, "state": "done", "url": "/f/1"})
    waiting = the_waiting(post, *read)
    assert (waiting.count, waiting.until) == (1, (FieldReaches(("state",), "text", "done"),))
    assert waiting.write == 0
    assert waitings(post, *reads(f"/exports/{JOB}", {"id": JOB, "state": "queued", "url": None}))[1].until == (  # type: ignore[union-attr]
        StatusIs(200),
    )


def test_a_single_read_of_a_list_after_an_accepted_write() -> None:
    (condition,) = the_waiting(ACCEPT, *reads("/done", entries(OTHER, MINE))).until
    assert isinstance(condition, EntryAppears) and condition.value.text == MINE
    done = (ACCEPT[0], answer(201, {"id": JOB}))
    assert waitings(done, *reads("/done", entries(OTHER, MINE))) == [None, None]


def test_a_document_that_is_filled_in_while_its_client_does_something_else() -> None:
    def bill(amount: str, document: str | None) -> Any:
        return {"id": JOB, "amount": amount, "document": document}

    post = (request("POST", "/bills", {"amount": "1"}), answer(201, bill("1", None)))
    put = (request("PUT", f"/bills/{JOB}", {"amount": "2"}), answer(200, bill("2", "/d/1.pdf")))
    early, late = reads(f"/bills/{JOB}", bill("1", None)), reads(f"/bills/{JOB}", bill("2", "/d/1.pdf"))
    assert the_waiting(post, *early, put, *late, *late).until == (FieldReaches(("document",), "set"),)
    sent = (request("PUT", f"/bills/{JOB}", {"document": "/d/1.pdf"}), answer(200, bill("1", "/d/1.pdf")))
    assert waitings(post, *early, sent, *late) == [None] * 4


def test_a_waiting_that_the_recording_gives_up_stays_one() -> None:
    waiting = the_waiting(ACCEPT, *reads(f"/jobs/{JOB}", *[{"state": "queued"}] * 4))
    assert (waiting.until, waiting.count, waiting.interval) == ((), 4, 1.0)
    done = (ACCEPT[0], answer(201, {"id": JOB}))
    assert waitings(done, *reads(f"/jobs/{JOB}", *[{"state": "queued"}] * 4)) == [None] * 5


def test_the_write_is_the_one_whose_values_are_waited_for() -> None:
    later = (request("POST", "/other", {"a": "b"}), answer(200, {}))
    waiting = the_waiting(ACCEPT, later, *reads("/done", entries(), entries(MINE)))
    assert waiting.write == 0
    waiting = the_waiting(ACCEPT, later, *reads("/stats", {"done": 1}, {"done": 2}))
    assert waiting.write == 0


# --- planted ---

NAMES = st.uuids(version=4).map(str)
SEVERAL = st.lists(NAMES, max_size=4, unique=True)


@given(st.lists(SEVERAL, min_size=1, max_size=4), NAMES, st.sampled_from(["json", "object", "text", "html"]))
def test_a_planted_entry_is_found_among_others_that_come_meanwhile(
    others: list[list[str]], mine: str, form: str
) -> None:
    def body(names: list[str]) -> Any:
        if form == "text":
            return "\n".join(["done:", *names])
        if form == "html":
            return f"<table>{''.join(f'<tr><td>{name}</td></tr>' for name in names)}</table>"
        rows = [{"ref": name, "at": 1} for name in names]
        return {"items": rows, "total": len(rows)} if form == "object" else rows

    shown: list[list[str]] = []
    for more in others:
        shown.append([*(shown[-1] if shown else []), *(name for name in more if name != mine)])
    post = (request("POST", "/jobs", {"ref": mine}), answer(202, {}))
    waiting = the_waiting(post, *reads("/done", *map(body, shown), body([*shown[-1], mine])))
    assert waiting.count == len(shown) + 1
    assert [(type(condition), condition.value.text) for condition in waiting.until] == [(EntryAppears, mine)]  # type: ignore[union-attr]


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(DOCUMENTS, max_size=3) | st.dictionaries(st.text(max_size=5), DOCUMENTS, max_size=3), st.integers(2, 5))
def test_reads_whose_bodies_do_not_change_are_not_collapsed(body: Any, count: int) -> None:
    done = (request("POST", "/things", {"n": MINE}), answer(201, {"id": JOB}))
    assert waitings(done, *reads("/things/1", *[body] * count)) == [None] * (count + 1)


@given(st.lists(st.sampled_from(["new", "queued", "running"]), min_size=1, max_size=5), st.integers(0, 3))
def test_a_planted_state_is_found_and_ends_where_it_is_reached(before: list[str], after: int) -> None:
    states = [{"id": JOB, "state": word} for word in [*before, *["done"] * (after + 1)]]
    found = waitings(ACCEPT, *reads(f"/jobs/{JOB}", *states))
    assert [waiting and waiting.count for waiting in found] == [None, len(before) + 1, *[None] * after]
