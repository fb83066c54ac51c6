"""Acknowledged values: what was written must be what every version reads, as it reads its own writes by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.checks.history_builder import NEW, OLD, HistoryBuilder, Scenario, attributions, in_every_phase
from verifier.checks.verdict import Judgement
from verifier.history.model import Phase

LOST = ("no lost write", "mixed")
Shows = Callable[[Scenario, str, str], Any]  # scenario, reading version, what was written: the value read


def bills(shows: Shows, *where: Phase, swept: Shows | None = None, rounds: int = 1, **also: Any) -> Judgement:
    """A client writes an amount, changes it, and reads it after each; then both versions read it back."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for _ in range(rounds):
            _bill(scenario, shows, swept or shows, also)
            builder.replay = builder.fresh("again")

    return in_every_phase(play, *where, builder=builder)


def _bill(scenario: Scenario, shows: Shows, swept: Shows, also: dict[str, Any]) -> None:
    builder, name = scenario.builder, scenario.builder.fresh("b")
    amounts = [f"{builder.fresh('')}.50", f"{builder.fresh('')}.25"]
    for index, amount in enumerate(amounts):
        builder.send(
            f"PUT /bills/{name}", scenario.first, (200, {"id": name}), body={"amount": amount}, index=2 * index
        )
        answer = {"amount": shows(scenario, scenario.second, amount), **also}
        read = builder.send(f"GET /bills/{name}", scenario.second, (200, answer), index=2 * index + 1)
    for version in (scenario.first, scenario.second):
        builder.sweep(read, version, (200, {"amount": swept(scenario, version, amounts[-1]), **also}))


def in_cents(scenario: Scenario, version: str, amount: str) -> str:
    """The new version keeps cents where the old one expects the amount."""
    return amount.replace(".", "") if scenario.broken and version == OLD else amount


def as_written(scenario: Scenario, version: str, amount: str) -> str:
    return amount


def test_a_value_that_another_version_reads_in_another_unit_is_found_at_once() -> None:
    judgement = bills(in_cents, "forward")
    assert attributions(judgement) == {LOST}
    violation = judgement.violations[0]
    assert violation.versions == (OLD, NEW)
    assert "amount was written as" in violation.message
    assert "(PUT /bills/" in violation.message
    assert "1.4 shows" in violation.message


def test_the_first_read_back_is_no_reference_where_it_is_wrong_itself() -> None:
    """All reads of the mixture agree with each other, and none with what was written."""
    assert attributions(bills(lambda scenario, _, amount: "7" if scenario.broken else amount, "forward")) == {LOST}


@pytest.mark.parametrize(
    "render",
    [
        lambda amount: float(amount),
        lambda amount: f"{amount}0",
        lambda amount: f"{amount} ",
    ],
)
def test_a_rendering_that_a_version_always_uses_is_no_loss(render: Callable[[str], Any]) -> None:
    judgement = bills(lambda scenario, version, amount: render(amount) if version == NEW else amount)
    assert "no lost write" not in {violation.guarantee for violation in judgement.violations}


def test_a_version_that_rounds_by_itself_rounds_what_the_other_wrote_too() -> None:
    """The relation is learned per reading version: what the new one never reads exactly is not asked of it."""
    assert attributions(bills(lambda scenario, version, amount: amount[:-3] if version == NEW else amount)) == set()
    only_then = bills(
        lambda scenario, version, amount: amount[:-3] if version == NEW and scenario.broken else amount, "forward"
    )
    assert attributions(only_then) == {LOST}


def test_what_is_wrong_only_after_going_back_is_told_as_such() -> None:
    found = attributions(
        bills(as_written, "rollback", swept=lambda scenario, _, amount: "0" if scenario.broken else amount)
    )
    assert found == {("rollback safe", "rollback")}


def test_the_new_version_by_itself_is_compared_with_what_always_was() -> None:
    """A page that says `valid` in every control, of old and new, says otherwise where versions meet."""

    def play(broken: Phase | None) -> Judgement:
        builder = HistoryBuilder()

        def scenario(scenario: Scenario) -> None:
            token = builder.fresh("token")
            builder.send("POST /tokens", scenario.first, (201, {"token": token}))
            valid = not (scenario.broken and scenario.phase == broken)
            builder.send(f"GET /check/{token}", scenario.second, (200, {"valid": valid}), index=1)

        def many(each: Scenario) -> None:
            for _ in range(3):
                scenario(each)
                builder.replay = builder.fresh("again")

        return in_every_phase(many, *((broken,) if broken else ()), builder=builder)

    assert play(None).violations == ()
    judgement = play("forward")
    assert attributions(judgement) == {LOST}
    assert "shows valid as False" in judgement.violations[0].message


@pytest.mark.parametrize(("items", "found"), [([], {LOST}), ([{"product": "tea"}], set())])
def test_an_empty_cart_is_not_the_cart_that_was_filled(items: list[Any], found: set[Any]) -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for _ in range(3):
            cart = builder.fresh("cart")
            builder.send(f"POST /carts/{cart}", scenario.first, 201, body={"product": "tea"})
            shown = items if scenario.broken else [{"product": "tea"}]
            builder.send(f"GET /carts/{cart}", scenario.second, (200, {"items": shown}), index=1)
            builder.replay = builder.fresh("again")

    assert attributions(in_every_phase(play, "forward", builder=builder)) == found


def test_an_entry_of_a_shared_list_is_looked_for_among_those_of_others() -> None:
    def play(lost: bool) -> Judgement:
        builder, all_names = HistoryBuilder(), []

        def scenario(scenario: Scenario) -> None:
            name = f"{builder.fresh('thing-number-')}-x7"
            if not (lost and scenario.broken):
                all_names.append(name)
            builder.send("POST /things", scenario.first, 201, body={"name": name})
            listed = [{"name": entry, "price": "5"} for entry in all_names]
            builder.send("GET /things", scenario.second, (200, listed), index=1)

        return in_every_phase(scenario, "forward", builder=builder)

    assert play(False).violations == ()
    judgement = play(True)
    assert attributions(judgement) == {LOST}
    assert "among others" in judgement.violations[0].message


def test_a_late_duplicate_of_the_verifier_teaches_nothing() -> None:
    """It rewrites an older address in the control; that the mixture loses the new one is news all the same."""

    def play(broken: bool) -> Judgement:
        builder = HistoryBuilder()

        def scenario(scenario: Scenario) -> None:
            name = builder.fresh("u")
            one, two = builder.fresh("one@"), builder.fresh("two@")
            late = "duplicate-next-step" if scenario.phase == "control-old" else ""
            first = builder.send(f"PUT /users/{name}", scenario.first, 200, body={"mail": one}, fault=late)
            builder.send(f"PUT /users/{name}", scenario.second, 200, body={"mail": two}, index=1)
            read = builder.send(f"GET /users/{name}", scenario.second, (200, {"mail": two}), index=2)
            builder.sweep(read, scenario.second, (200, {"mail": two}))
            if late:
                builder.send(f"PUT /users/{name}", scenario.first, 200, body={"mail": one}, retry=first, fault=late)
                builder.sweep(read, scenario.second, (200, {"mail": one}))
            builder.sweep(read, scenario.first, (200, {"mail": one if broken and scenario.broken else two}))

        return in_every_phase(scenario, "forward", builder=builder)

    assert attributions(play(True)) == {LOST}
    assert "forward" not in {violation.attribution for violation in play(False).violations}
    assert LOST not in attributions(play(False))


@pytest.mark.parametrize("shared", [True, False])
def test_a_number_of_all_clients_is_a_gauge_and_one_of_a_client_is_not(shared: bool) -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for _ in range(3):
            where = "/active" if shared else f"/active/{builder.fresh('c')}"
            builder.send("POST /work", scenario.first, 201)
            builder.send(
                f"GET {where}", scenario.second, (200, {"active": 1 if scenario.broken else 0, "of": "work"}), index=1
            )
            builder.replay = builder.fresh("again")

    judgement = in_every_phase(play, "forward", builder=builder)
    assert attributions(judgement) == (set() if shared else {LOST})
    assert any("share" in entry.reason for entry in judgement.tolerated) is shared


@pytest.mark.parametrize(("seen_in_control", "found"), [(True, set()), (False, {LOST})])
def test_a_state_that_goes_on_as_in_the_controls_is_no_loss(seen_in_control: bool, found: set[Any]) -> None:
    """Read back early it is queued, later finished; a control must show that states go this way."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh("j")
        builder.send(f"PUT /jobs/{name}", scenario.first, 200)
        read = builder.send(f"GET /jobs/{name}", scenario.second, (200, {"status": "queued"}), index=1)
        builder.sweep(read, scenario.first, (200, {"status": "queued"}))
        later = scenario.broken or (seen_in_control and scenario.phase == "control-old")
        builder.sweep(read, scenario.second, (200, {"status": "finished" if later else "queued"}))

    assert attributions(in_every_phase(play, "forward", builder=builder)) == found


def test_a_document_that_is_ready_later_is_no_loss() -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh("d")
        builder.send(f"PUT /bills/{name}", scenario.first, 200)
        read = builder.send(f"GET /bills/{name}", scenario.second, (200, {"document": None}), index=1)
        builder.sweep(read, scenario.first, (200, {"document": None}))
        builder.sweep(read, scenario.second, (200, {"document": f"/d/{name}.pdf" if scenario.broken else None}))

    judgement = in_every_phase(play, "forward", builder=builder)
    assert judgement.violations == ()
    assert any(entry.place.endswith("/document") for entry in judgement.tolerated)


def test_a_cache_may_lag_as_long_as_in_the_controls_and_no_longer() -> None:
    def play(late: float) -> Judgement:
        builder = HistoryBuilder()

        def scenario(scenario: Scenario) -> None:
            for number in range(3):
                name = builder.fresh("p")
                old, new = f"{builder.fresh('')}.10", f"{builder.fresh('')}.20"
                builder.send(f"PUT /prices/{name}", scenario.first, 200, body={"price": old})
                written = builder.send(f"PUT /prices/{name}", scenario.first, 200, body={"price": new}, index=1)
                lags = (number == 1 and scenario.phase == "control-old") or scenario.broken
                after = written.ended + (late if scenario.broken else 0.03 if lags else 0.5)
                builder.send(f"GET /prices/{name}", scenario.second, (200, {"price": old if lags else new}), index=2,
                           started=after, ended=after + 0.001)  # fmt: skip
                after += 1
                builder.send(f"GET /prices/{name}", scenario.second, (200, {"price": new}), index=3, started=after,
                           ended=after + 0.001)  # fmt: skip
                builder.replay = builder.fresh("again")

        return in_every_phase(scenario, "forward", builder=builder)

    # The place itself varies in the control of the old version; the new one has always been right there.
    assert play(0.05).violations == ()
    assert attributions(play(0.8)) == {LOST}


def test_a_removed_endpoint_breaks_compatibility_and_loses_nothing() -> None:
    def play(removed: bool) -> Judgement:
        builder = HistoryBuilder()

        def scenario(scenario: Scenario) -> None:
            name = builder.fresh("t")

            def answer(version: str) -> Any:
                gone = version == NEW and (removed or scenario.broken)
                return 404 if gone else (200, {"text": "kept"})

            builder.send(f"PUT /things/{name}", scenario.first, 200)
            read = builder.send(f"GET /things/{name}", scenario.second, answer(scenario.second), index=1)
            if read.response is not None and read.response.status == 200:
                for version in {scenario.first, scenario.second}:
                    builder.sweep(read, version, answer(version))

        return in_every_phase(scenario, *(() if removed else ("forward",)), builder=builder)  # type: ignore[arg-type]

    assert attributions(play(True)) == {("compatible", "new-version")}
    assert LOST in attributions(play(False))


def test_a_removed_endpoint_loses_nothing_where_its_control_never_got_that_far_either() -> None:
    """The session reads it twice, and stops at the first answer that is not there."""

    def play(removed: bool) -> Judgement:
        builder = HistoryBuilder()

        def scenario(scenario: Scenario) -> None:
            for index in (0, 2):
                name = builder.fresh("t")
                gone = scenario.second == NEW and removed
                builder.send(f"PUT /things/{name}", scenario.first, 200, index=index)
                shown = 404 if gone else (200, {"text": "kept"})
                read = builder.send(f"GET /things/{name}", scenario.second, shown, index=index + 1)
                if gone:
                    return
                lost = scenario.first == NEW and (removed or scenario.broken)
                builder.sweep(read, scenario.first, 404 if lost else (200, {"text": "kept"}))

        return in_every_phase(scenario, *(() if removed else ("forward",)), builder=builder)  # type: ignore[arg-type]

    assert attributions(play(True)) == {("compatible", "new-version")}
    assert LOST in attributions(play(False))


@pytest.mark.parametrize(("of_old", "found"), [(500, False), ((200, {"sum": 1}), True)])
def test_what_old_can_never_show_is_not_lost_where_new_has_mended_it(of_old: Any, found: bool) -> None:
    """Old answers 500, as recorded; new shows it, and old still does not."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name, right = builder.fresh("t"), (200, {"sum": 1})
        builder.send(f"PUT /things/{name}", scenario.first, 200)
        shown = right if scenario.second == NEW else of_old
        read = builder.send(f"GET /things/{name}/sum", scenario.second, shown, index=1)
        if shown == right:
            builder.sweep(read, scenario.first, 500 if scenario.first == OLD and scenario.broken else shown)

    assert (LOST in attributions(in_every_phase(play, "forward", builder=builder))) is found


@pytest.mark.parametrize("shows", [in_cents, as_written])
def test_an_error_that_old_always_gives_hides_nothing_else_of_its_session(shows: Shows) -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        builder.send("GET /sum", scenario.first, 500, index=9)
        _bill(scenario, shows, shows, {})

    judgement = in_every_phase(play, "forward", builder=builder)
    found = [entry.message for entry in judgement.violations if entry.guarantee == "no lost write"]
    assert any("amount was written as" in message for message in found) is (shows is in_cents)


@pytest.mark.parametrize(
    ("of_old", "of_new", "found"),
    [
        ({"note": ""}, {"note": None}, False),
        ({"note": "kept"}, {"note": None}, True),
        ({"note": ""}, {"note": 0}, True),
        ({"notes": [{"a": ""}, {"a": "b"}]}, {"notes": [{"a": None}, {"a": "b"}]}, False),
        ({"notes": [{"a": ""}, {"a": "b"}]}, {"notes": [{"a": None}, {"a": None}]}, True),
    ],
)
def test_an_empty_text_may_be_null_and_another_one_may_not(of_old: Any, of_new: Any, found: bool) -> None:
    """The same operation shows a text elsewhere, so old never tells null."""
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        name = builder.fresh("t")
        builder.send(f"PUT /things/{name}", scenario.first, 200)
        shown = of_new if scenario.second == NEW else of_old
        read = builder.send(f"GET /things/{name}", scenario.second, (200, shown), index=1)
        for version in {scenario.first, scenario.second}:
            builder.sweep(read, version, (200, of_new if version == NEW else of_old))
        builder.send(f"GET /things/{name}", scenario.second, (200, {"note": "a", "notes": [{"a": "b"}]}), index=2)

    judgement = in_every_phase(play, builder=builder)
    assert (judgement.verdict, bool(judgement.violations)) == (("fail", True) if found else ("pass", False))
    tolerated = {entry.reason for entry in judgement.tolerated}
    assert ("an empty text is told as null" in tolerated) is not found


def test_members_that_never_were_anything_but_null_may_be_missing() -> None:
    def play(known: Any) -> Judgement:
        builder = HistoryBuilder()

        def scenario(scenario: Scenario) -> None:
            full = {"id": "a", "nickname": known}
            name = builder.fresh("t")
            read = builder.send(f"GET /things/{name}", scenario.first, (200, {"id": "a"} if scenario.broken else full))
            builder.sweep(read, scenario.second, (200, {"id": "a"} if scenario.broken else full))

        return in_every_phase(scenario, "forward", builder=builder)

    assert play(None).violations == ()
    assert ("compatible", "mixed") in attributions(play("Al"))


def test_an_empty_text_told_as_null_is_a_rendering() -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        read = builder.send(f"GET /things/{builder.fresh('t')}", scenario.first, (200, {"note": "", "by": None}))
        builder.sweep(read, scenario.first, (200, {"note": "", "by": None}))
        other = scenario.broken and scenario.second == NEW
        builder.sweep(read, scenario.second, (200, {"note": None if other else "", "by": "" if other else None}))

    judgement = in_every_phase(play, "forward", builder=builder)
    assert "no lost write" not in {violation.guarantee for violation in judgement.violations}


@pytest.mark.parametrize(("shown", "found"), [("<p>{}</p>", set()), ("<p>nobody</p>", {LOST})])
def test_a_page_of_text_must_show_what_was_written(shown: str, found: set[Any]) -> None:
    builder = HistoryBuilder()

    def play(scenario: Scenario) -> None:
        for _ in range(2):
            user = builder.fresh("u")
            email = f"{user}&co@example.org"
            builder.send(f"PUT /users/{user}", scenario.first, 200, body={"email": email})
            page = (shown if scenario.broken else "<p>{}</p>").format(email.replace("&", "&amp;"))
            headers = {"Content-Type": "text/html; charset=utf-8"}
            builder.send(f"GET /users/{user}", scenario.second, (200, page.encode()), index=1, headers=headers)
            builder.replay = builder.fresh("again")

    assert attributions(in_every_phase(play, "forward", builder=builder)) == found


@pytest.mark.parametrize(("page", "found"), [(30, set()), (1000, {LOST})])
def test_an_entry_may_stand_on_the_next_page_of_a_list_that_has_pages(page: int, found: set[Any]) -> None:
    """The oldest entries come first. After the controls there are more of them than a page shows."""
    builder, things = HistoryBuilder(), list[str]()

    def play(scenario: Scenario) -> None:
        for _ in range(5):
            name = f"thing-{builder.fresh('')}-of-many"
            builder.send("POST /things", scenario.first, 201, body={"name": name})
            if page < 1000 or not scenario.broken:
                things.append(name)
            listed = [{"name": entry} for entry in things[-8:] if scenario.phase.startswith("control")] or [
                {"name": entry} for entry in things[:page]
            ]
            builder.send("GET /things", scenario.second, (200, listed), index=1)
            builder.replay = builder.fresh("again")

    assert attributions(in_every_phase(play, "forward", builder=builder)) == found
