"""No lost write, and rollback safe: what was acknowledged stays readable, and what was deleted stays away."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from tests.checks.history_builder import NEW, OLD, Answer, HistoryBuilder, Scenario, attributions, in_every_phase
from verifier.checks.verdict import Attribution, Judgement
from verifier.history.model import Phase

GOOD = {"id": "t", "text": "a", "tags": ["x", "y"], "items": [{"id": 1, "n": 1}, {"id": 2, "n": 2}]}


def swept(usually: Answer, broken: Answer, *where: Phase, turns: int = 2) -> Judgement:
    """A thing is put, read, and then swept through both versions; where it is broken the last sweep differs."""

    def play(scenario: Scenario) -> None:
        builder, name = scenario.builder, scenario.builder.fresh("t")
        builder.send(f"PUT /things/{name}", scenario.first, 200, body={"text": "a"})
        read = builder.send(f"GET /things/{name}", scenario.second, usually, index=1)
        for _ in range(turns):
            builder.sweep(read, scenario.first, usually)
            builder.sweep(read, scenario.second, broken if scenario.broken else usually)

    return in_every_phase(play, *where, builder=HistoryBuilder())


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (("forward",), ("no lost write", "mixed")),
        (("rollback",), ("rollback safe", "rollback")),
        (("control-new", "forward"), ("no lost write", "new-version")),
        (("control-old", "forward"), ("no lost write", "pre-existing")),
    ],
)
@pytest.mark.parametrize("broken", [404, 500, None, 410])
def test_what_cannot_be_read_back_is_lost(
    broken: Answer, where: tuple[Phase, ...], found: tuple[str, Attribution]
) -> None:
    assert found in attributions(swept((200, GOOD), broken, *where))


def test_what_can_be_read_back_is_not_lost() -> None:
    judgement = swept((200, GOOD), (200, GOOD), "forward", "rollback")
    assert (judgement.verdict, judgement.violations) == ("pass", ())


def changed(**values: Any) -> Answer:
    return (200, {**GOOD, **values})


@pytest.mark.parametrize(
    "broken",
    [
        changed(text="b"),
        changed(text=None),
        changed(tags=["x"]),
        changed(items=[{"id": 1, "n": 1}]),
        changed(items=[]),
        changed(items=[{"id": 1, "n": 1}, {"id": 2, "n": 3}]),
        changed(items=[{"id": 1, "n": 1}, {"id": 3, "n": 2}]),
    ],
)
def test_a_value_that_reads_differently_is_lost(broken: Answer) -> None:
    assert ("no lost write", "mixed") in attributions(swept((200, GOOD), broken, "forward"))


@pytest.mark.parametrize(
    "also",
    [
        changed(more="told by the other version"),
        changed(tags=["y", "x"]),
        changed(tags=["x", "y", "z"]),
        changed(items=[{"id": 2, "n": 2, "more": 1}, {"id": 1, "n": 1}]),
        changed(items=[{"id": 1, "n": 1}, {"id": 2, "n": 2}, {"id": 3, "n": 3}]),
    ],
)
def test_new_fields_new_entries_and_another_order_lose_nothing(also: Answer) -> None:
    assert swept((200, GOOD), also, "forward", "rollback").verdict == "pass"


def test_entries_of_one_name_are_all_compared() -> None:
    two = [{"name": "a", "n": 1}, {"name": "a", "n": 2}]
    assert swept(changed(items=two), changed(items=two[::-1]), "forward").verdict == "pass"
    first_lost = [{"name": "a", "n": 7}, {"name": "a", "n": 2}]
    assert ("no lost write", "mixed") in attributions(swept(changed(items=two), changed(items=first_lost), "forward"))


def rewritten(values: dict[Phase, list[Any]]) -> Judgement:
    """A thing whose sweeps show one value after the other, by phase."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh("t")
        builder.send(f"PUT /things/{name}", scenario.first, 200)
        read = builder.send(f"GET /things/{name}", scenario.second, (200, {"v": "read"}), index=1)
        for number, value in enumerate(values[scenario.phase]):
            builder.sweep(read, (scenario.first, scenario.second)[number % 2], (200, {"v": value}))

    return in_every_phase(play, builder=builder)


def test_a_value_that_varies_in_a_control_does_not_alarm() -> None:
    same: list[Any] = ["a", "a"]
    every = {"control-old": ["a", "b"], "control-new": same, "forward": ["a", "b"], "rollback": same}
    assert rewritten(every).verdict == "pass"  # type: ignore[arg-type]


def test_a_value_that_does_not_vary_in_the_controls_alarms() -> None:
    same: list[Any] = ["a", "a"]
    every = {"control-old": same, "control-new": same, "forward": ["a", "b"], "rollback": same}
    assert attributions(rewritten(every)) == {("no lost write", "mixed")}  # type: ignore[arg-type]


def test_work_that_ends_later_than_in_the_controls_is_not_lost() -> None:
    """The controls always show it paid; later it is first seen pending, then as the controls show it."""
    paid: list[Any] = ["paid", "paid"]
    late = {"control-old": paid, "control-new": paid, "forward": ["pending", "paid"], "rollback": ["pending", "paid"]}
    assert rewritten(late).verdict == "pass"  # type: ignore[arg-type]
    back = {**late, "forward": ["paid", "pending"]}
    assert attributions(rewritten(back)) == {("no lost write", "mixed")}  # type: ignore[arg-type]


def test_a_version_may_tell_its_own_name() -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        read = builder.send(f"GET /things/{builder.fresh('t')}", scenario.first, (200, {"by": scenario.first}))
        for version in (scenario.first, scenario.second, scenario.first):
            builder.sweep(read, version, (200, {"by": version}))

    assert in_every_phase(play, builder=builder).verdict == "pass"


def positions(forward: str) -> Judgement:
    """Two lists, whose next positions old tells as "o:3" and "o:6", and new as "k:21" and "k:42", whoever reads.

    In the mixture new tells `forward` of the first.
    """
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for offset in (3, 6):
            name = builder.fresh("t")
            builder.send(f"POST /lists/{name}", scenario.first, 201, body={"title": "a"}, index=offset)
            read = builder.send(f"GET /lists/{name}", scenario.first, (200, {"more": None}), index=1)
            for version in (scenario.first, scenario.second) * 2:
                own = forward if offset == 3 and scenario.broken else f"k:{7 * offset}"
                builder.sweep(read, version, (200, {"more": f"o:{offset}" if version == OLD else own}))

    return in_every_phase(play, "forward", builder=builder)


def test_versions_may_tell_a_position_each_in_its_own_way() -> None:
    assert positions("k:21").verdict == "pass"


def test_a_position_that_the_version_alone_never_tells_is_lost() -> None:
    assert attributions(positions("k:63")) == {("no lost write", "mixed")}


def test_a_text_of_the_other_version_is_lost_where_the_version_alone_tells_another() -> None:
    assert attributions(positions("o:6")) == {("no lost write", "mixed")}


def deleted(where: tuple[Phase, ...], *, back: Answer = 200, how: str = "DELETE /things/{}") -> Judgement:
    """A thing is put, read and deleted; the sweep finds it gone, or where it is broken, back again."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh("t")
        builder.send(f"PUT /things/{name}", scenario.first, 201, body={"text": "a"})
        read = builder.send(f"GET /things/{name}", scenario.second, (200, {"text": "a"}), index=1)
        builder.send(how.format(name), scenario.first, 204, index=2)
        kept = builder.send(f"GET /kept/{name}", scenario.second, (200, {"text": "a"}), index=3)
        for version in (scenario.first, scenario.second):
            builder.sweep(read, version, back if scenario.broken else 404)
            builder.sweep(kept, version, (200, {"text": "a"}))

    return in_every_phase(play, *where, builder=builder)


def test_what_was_deleted_is_not_lost_when_it_is_gone() -> None:
    judgement = deleted(())
    assert (judgement.verdict, judgement.violations) == ("pass", ())


@pytest.mark.parametrize(
    ("view", "removal", "answered", "excused"),
    [
        ("/things/{}?full=true", "DELETE /things/{}", 204, True),
        ("/things/{}/parts", "DELETE /things/{}", 204, True),
        ("/things/{}/parts/1?full=true", "DELETE /things/{}/", 204, True),
        ("/things/{}", "DELETE /things/{}", 404, True),  # gone before it came: with what it was in, as was asked
        ("/things/{}", "DELETE /things/{}", 409, False),
        ("/things/{}", "DELETE /things/{}/parts", 204, False),
        ("/things/{}", "DELETE /things?name={}-other", 204, False),
        ("/things/{}-other", "DELETE /things/{}", 204, False),
    ],
)
def test_a_removal_takes_along_what_is_below_its_path_and_nothing_else(
    view: str, removal: str, answered: int, excused: bool
) -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh("t")
        builder.send(f"PUT /things/{name}", scenario.first, 201, body={"text": "a"})
        read = builder.send("GET " + view.format(name), scenario.second, 200, index=1)
        builder.send(removal.format(name), scenario.first, answered, index=2)
        for version in (scenario.first, scenario.second):
            builder.sweep(read, version, 404 if scenario.broken else 200)

    found = attributions(in_every_phase(play, "forward", builder=builder))
    assert found == (set() if excused else {("no lost write", "mixed")})


def test_what_was_deleted_and_can_be_read_again_is_a_lost_write() -> None:
    assert attributions(deleted(("forward",))) == {("no lost write", "mixed")}
    assert attributions(deleted(("rollback",))) == {("rollback safe", "rollback")}


def test_what_another_operation_removes_is_told_from_the_controls() -> None:
    """No DELETE shows it; the controls do, and only for this place in the traffic."""
    judgement = deleted((), how="POST /things/{}/close")
    assert judgement.verdict == "pass"

    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        closed = builder.send(f"GET /things/{builder.fresh('t')}", scenario.first, 200, index=1)
        kept = builder.send(f"GET /things/{builder.fresh('t')}", scenario.first, 200, index=2)
        for version in (scenario.first, scenario.second):
            builder.sweep(closed, version, 404)
            builder.sweep(kept, version, 404 if scenario.broken else 200)

    assert ("no lost write", "mixed") in attributions(in_every_phase(play, "forward", builder=builder))


@pytest.mark.parametrize("where", [(), ("forward",)])
def test_what_a_client_has_itself_seen_gone_is_not_lost(where: tuple[Phase, ...]) -> None:
    """A batch removes it, and the client reads 404, as in the controls; where only one state says so, it is lost."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh("t")
        read = builder.send(f"GET /things/{name}", scenario.first, 200, index=1)
        removes = not where or scenario.broken
        builder.send("POST /batch", scenario.second, 200, index=2)
        builder.send(f"GET /things/{name}", scenario.second, 404 if removes else 200, index=3)
        for version in (scenario.first, scenario.second):
            builder.sweep(read, version, 404 if removes else 200)

    judgement = in_every_phase(play, *where, builder=builder)
    assert attributions(judgement) == ({("no lost write", "mixed"), ("compatible", "mixed")} if where else set())
    assert bool(judgement.violations) is bool(where)


def test_a_late_duplicate_may_rewrite_an_older_value() -> None:
    """a is written, then b; a duplicate of the first write in the next step rightly brings a back."""

    def play(fault: str) -> Judgement:
        builder = HistoryBuilder()
        in_every_phase(lambda scenario: _written_twice(scenario, ""), builder=builder)
        builder.step("forward")
        first, read = _written_twice(Scenario(builder, "forward", OLD, NEW, False), fault)
        builder.step("forward")
        _written_twice(Scenario(builder, "forward", OLD, NEW, False), "")
        _written_twice(Scenario(builder, "forward", NEW, OLD, False), "")
        replay = f"{first.step}:{first.replay}"
        if fault:
            builder.send(f"PUT {first.request.target}", NEW, 200, body={"text": "a"}, retry=first, replay=replay,
                         fault=fault)  # fmt: skip
        builder.sweep(read, OLD, (200, {"text": "a"}))
        return builder.judge()

    assert play("duplicate-next-step").verdict == "pass"
    assert attributions(play("")) == {("no lost write", "mixed")}


def _written_twice(scenario: Scenario, fault: str) -> tuple[Any, Any]:
    builder, name = scenario.builder, scenario.builder.fresh("t")
    first = builder.send(f"PUT /things/{name}", scenario.first, 200, body={"text": "a"}, fault=fault)
    builder.send(f"PUT /things/{name}", scenario.second, 200, body={"text": "b"}, index=1)
    read = builder.send(f"GET /things/{name}", scenario.first, (200, {"text": "b"}), index=2)
    for version in (scenario.first, scenario.second):
        builder.sweep(read, version, (200, {"text": "b"}))
    return first, read


def test_only_versions_of_the_service_itself_are_named() -> None:
    builder = HistoryBuilder(services={"orders": (OLD, NEW), "payments": ("1.2", "1.3")})

    def play(scenario: Scenario) -> None:
        for version in ("1.2", "1.3"):
            builder.send("POST /pay", version, 200, service="payments")
        read = builder.send(f"GET /things/{builder.fresh('t')}", scenario.first, 200)
        builder.send("PUT /things/0", scenario.second, 200)
        builder.sweep(read, scenario.second, 404 if scenario.broken else 200)

    judgement = in_every_phase(play, "forward", builder=builder)
    assert attributions(judgement) == {("no lost write", "mixed")}
    assert set(judgement.violations[0].versions) <= {OLD, NEW}


@pytest.mark.parametrize("status", [401, 429])
def test_a_reader_that_is_not_let_in_says_nothing_of_what_was_kept(status: int) -> None:
    """A token that ran out during a long rollout is no lost write; a resource that is kept from its owner is."""
    assert swept((200, GOOD), status, "forward", "rollback").violations == ()
    assert ("no lost write", "mixed") in attributions(swept((200, GOOD), 403, "forward"))


def led_away(usually: Answer, broken: Answer, *where: Phase) -> Judgement:
    """A page is read and the session is then over; the sweep is answered `usually`, or where it is broken, `broken`.

    One session in three of the old version ended early, so that its page can still be read.
    """
    builder, numbers = HistoryBuilder(), count()

    def play(scenario: Scenario) -> None:
        builder, name = scenario.builder, scenario.builder.fresh("t")
        builder.send(f"PUT /things/{name}", scenario.first, 200, body={"text": "a"})
        read = builder.send(f"GET /things/{name}", scenario.second, 200, index=1)
        early = scenario.phase == "control-old" and next(numbers) % 3 == 2
        builder.sweep(read, scenario.second, broken if scenario.broken else 200 if early else usually)

    return in_every_phase(play, *where, builder=builder)


def test_a_page_behind_a_login_is_not_lost_when_its_session_is_over() -> None:
    assert led_away(302, 302).violations == ()


@pytest.mark.parametrize(
    ("usually", "broken"), [(200, 302), (302, 404), (302, 500), (302, 307)], ids=lambda status: str(status)
)
def test_a_page_that_only_the_mixture_leads_away_from_or_breaks_is_lost(usually: int, broken: int) -> None:
    assert ("no lost write", "mixed") in attributions(led_away(usually, broken, "forward"))
