"""Acknowledged values: what was written must be what every version reads, as it reads its own writes by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.checks.story import NEW, OLD, Scene, Story, everywhere, told
from verifier.checks.verdict import Judgement
from verifier.history.model import Phase

LOST = ("no lost write", "mixed")
Shows = Callable[[Scene, str, str], Any]  # scene, reading version, what was written: the value read


def bills(shows: Shows, *where: Phase, swept: Shows | None = None, rounds: int = 1, **also: Any) -> Judgement:
    """A client writes an amount, changes it, and reads it after each; then both versions read it back."""
    story = Story()

    def play(scene: Scene) -> None:
        for _ in range(rounds):
            _bill(scene, shows, swept or shows, also)
            story.replay = story.fresh("again")

    return everywhere(play, *where, story=story)


def _bill(scene: Scene, shows: Shows, swept: Shows, also: dict[str, Any]) -> None:
    story, name = scene.story, scene.story.fresh("b")
    amounts = [f"{story.fresh('')}.50", f"{story.fresh('')}.25"]
    for index, amount in enumerate(amounts):
        story.send(f"PUT /bills/{name}", scene.first, (200, {"id": name}), body={"amount": amount}, index=2 * index)
        answer = {"amount": shows(scene, scene.second, amount), **also}
        read = story.send(f"GET /bills/{name}", scene.second, (200, answer), index=2 * index + 1)
    for version in (scene.first, scene.second):
        story.sweep(read, version, (200, {"amount": swept(scene, version, amounts[-1]), **also}))


def in_cents(scene: Scene, version: str, amount: str) -> str:
    """The new version keeps cents where the old one expects the amount."""
    return amount.replace(".", "") if scene.broken and version == OLD else amount


def as_written(scene: Scene, version: str, amount: str) -> str:
    return amount


def test_a_value_that_another_version_reads_in_another_unit_is_found_at_once() -> None:
    judgement = bills(in_cents, "forward")
    assert told(judgement) == {LOST}
    violation = judgement.violations[0]
    assert violation.versions == (OLD, NEW)
    assert "amount was written as" in violation.message
    assert "(PUT /bills/" in violation.message
    assert "1.4 shows" in violation.message


def test_the_first_read_back_is_no_reference_where_it_is_wrong_itself() -> None:
    """All reads of the mixture agree with each other, and none with what was written."""
    assert told(bills(lambda scene, _, amount: "7" if scene.broken else amount, "forward")) == {LOST}


@pytest.mark.parametrize(
    "render",
    [
        lambda amount: float(amount),
        lambda amount: f"{amount}0",
        lambda amount: f"{amount} ",
    ],
)
def test_a_rendering_that_a_version_always_uses_is_no_loss(render: Callable[[str], Any]) -> None:
    judgement = bills(lambda scene, version, amount: render(amount) if version == NEW else amount)
    assert "no lost write" not in {violation.guarantee for violation in judgement.violations}


def test_a_version_that_rounds_by_itself_rounds_what_the_other_wrote_too() -> None:
    """The relation is learned per reading version: what the new one never reads exactly is not asked of it."""
    assert told(bills(lambda scene, version, amount: amount[:-3] if version == NEW else amount)) == set()
    only_then = bills(
        lambda scene, version, amount: amount[:-3] if version == NEW and scene.broken else amount, "forward"
    )
    assert told(only_then) == {LOST}


def test_what_is_wrong_only_after_going_back_is_told_as_such() -> None:
    found = told(bills(as_written, "rollback", swept=lambda scene, _, amount: "0" if scene.broken else amount))
    assert found == {("rollback safe", "rollback")}


def test_the_new_version_by_itself_is_compared_with_what_always_was() -> None:
    """A page that says `valid` in every control, of old and new, says otherwise where versions meet."""

    def play(broken: Phase | None) -> Judgement:
        story = Story()

        def scene(scene: Scene) -> None:
            token = story.fresh("token")
            story.send("POST /tokens", scene.first, (201, {"token": token}))
            valid = not (scene.broken and scene.phase == broken)
            story.send(f"GET /check/{token}", scene.second, (200, {"valid": valid}), index=1)

        def many(each: Scene) -> None:
            for _ in range(3):
                scene(each)
                story.replay = story.fresh("again")

        return everywhere(many, *((broken,) if broken else ()), story=story)

    assert play(None).violations == ()
    judgement = play("forward")
    assert told(judgement) == {LOST}
    assert "shows valid as False" in judgement.violations[0].message


@pytest.mark.parametrize(("items", "found"), [([], {LOST}), ([{"product": "tea"}], set())])
def test_an_empty_cart_is_not_the_cart_that_was_filled(items: list[Any], found: set[Any]) -> None:
    story = Story()

    def play(scene: Scene) -> None:
        for _ in range(3):
            cart = story.fresh("cart")
            story.send(f"POST /carts/{cart}", scene.first, 201, body={"product": "tea"})
            shown = items if scene.broken else [{"product": "tea"}]
            story.send(f"GET /carts/{cart}", scene.second, (200, {"items": shown}), index=1)
            story.replay = story.fresh("again")

    assert told(everywhere(play, "forward", story=story)) == found


def test_an_entry_of_a_shared_list_is_looked_for_among_those_of_others() -> None:
    def play(lost: bool) -> Judgement:
        story, all_names = Story(), []

        def scene(scene: Scene) -> None:
            name = f"{story.fresh('thing-number-')}-x7"
            if not (lost and scene.broken):
                all_names.append(name)
            story.send("POST /things", scene.first, 201, body={"name": name})
            listed = [{"name": entry, "price": "5"} for entry in all_names]
            story.send("GET /things", scene.second, (200, listed), index=1)

        return everywhere(scene, "forward", story=story)

    assert play(False).violations == ()
    judgement = play(True)
    assert told(judgement) == {LOST}
    assert "among others" in judgement.violations[0].message


def test_a_late_duplicate_of_the_verifier_teaches_nothing() -> None:
    """It rewrites an older address in the control; that the mixture loses the new one is news all the same."""

    def play(broken: bool) -> Judgement:
        story = Story()

        def scene(scene: Scene) -> None:
            name = story.fresh("u")
            one, two = story.fresh("one@"), story.fresh("two@")
            late = "duplicate-next-step" if scene.phase == "control-old" else ""
            first = story.send(f"PUT /users/{name}", scene.first, 200, body={"mail": one}, fault=late)
            story.send(f"PUT /users/{name}", scene.second, 200, body={"mail": two}, index=1)
            read = story.send(f"GET /users/{name}", scene.second, (200, {"mail": two}), index=2)
            story.sweep(read, scene.second, (200, {"mail": two}))
            if late:
                story.send(f"PUT /users/{name}", scene.first, 200, body={"mail": one}, retry=first, fault=late)
                story.sweep(read, scene.second, (200, {"mail": one}))
            story.sweep(read, scene.first, (200, {"mail": one if broken and scene.broken else two}))

        return everywhere(scene, "forward", story=story)

    assert told(play(True)) == {LOST}
    assert "forward" not in {violation.attribution for violation in play(False).violations}
    assert LOST not in told(play(False))


@pytest.mark.parametrize("shared", [True, False])
def test_a_number_of_all_clients_is_a_gauge_and_one_of_a_client_is_not(shared: bool) -> None:
    story = Story()

    def play(scene: Scene) -> None:
        for _ in range(3):
            where = "/active" if shared else f"/active/{story.fresh('c')}"
            story.send("POST /work", scene.first, 201)
            story.send(f"GET {where}", scene.second, (200, {"active": 1 if scene.broken else 0, "of": "work"}), index=1)
            story.replay = story.fresh("again")

    judgement = everywhere(play, "forward", story=story)
    assert told(judgement) == (set() if shared else {LOST})
    assert any("share" in entry.reason for entry in judgement.tolerated) is shared


@pytest.mark.parametrize(("seen_in_control", "found"), [(True, set()), (False, {LOST})])
def test_a_state_that_goes_on_as_in_the_controls_is_no_loss(seen_in_control: bool, found: set[Any]) -> None:
    """Read back early it is queued, later finished; a control must show that states go this way."""
    story = Story()

    def play(scene: Scene) -> None:
        name = story.fresh("j")
        story.send(f"PUT /jobs/{name}", scene.first, 200)
        read = story.send(f"GET /jobs/{name}", scene.second, (200, {"status": "queued"}), index=1)
        story.sweep(read, scene.first, (200, {"status": "queued"}))
        later = scene.broken or (seen_in_control and scene.phase == "control-old")
        story.sweep(read, scene.second, (200, {"status": "finished" if later else "queued"}))

    assert told(everywhere(play, "forward", story=story)) == found


def test_a_document_that_is_ready_later_is_no_loss() -> None:
    story = Story()

    def play(scene: Scene) -> None:
        name = story.fresh("d")
        story.send(f"PUT /bills/{name}", scene.first, 200)
        read = story.send(f"GET /bills/{name}", scene.second, (200, {"document": None}), index=1)
        story.sweep(read, scene.first, (200, {"document": None}))
        story.sweep(read, scene.second, (200, {"document": f"/d/{name}.pdf" if scene.broken else None}))

    judgement = everywhere(play, "forward", story=story)
    assert judgement.violations == ()
    assert any(entry.place.endswith("/document") for entry in judgement.tolerated)


def test_a_cache_may_lag_as_long_as_in_the_controls_and_no_longer() -> None:
    def play(late: float) -> Judgement:
        story = Story()

        def scene(scene: Scene) -> None:
            for number in range(3):
                name = story.fresh("p")
                old, new = f"{story.fresh('')}.10", f"{story.fresh('')}.20"
                story.send(f"PUT /prices/{name}", scene.first, 200, body={"price": old})
                written = story.send(f"PUT /prices/{name}", scene.first, 200, body={"price": new}, index=1)
                lags = (number == 1 and scene.phase == "control-old") or scene.broken
                after = written.ended + (late if scene.broken else 0.03 if lags else 0.5)
                story.send(f"GET /prices/{name}", scene.second, (200, {"price": old if lags else new}), index=2,
                           started=after, ended=after + 0.001)  # fmt: skip
                after += 1
                story.send(f"GET /prices/{name}", scene.second, (200, {"price": new}), index=3, started=after,
                           ended=after + 0.001)  # fmt: skip
                story.replay = story.fresh("again")

        return everywhere(scene, "forward", story=story)

    # The place itself varies in the control of the old version; the new one has always been right there.
    assert play(0.05).violations == ()
    assert told(play(0.8)) == {LOST}


def test_a_removed_endpoint_breaks_compatibility_and_loses_nothing() -> None:
    def play(removed: bool) -> Judgement:
        story = Story()

        def scene(scene: Scene) -> None:
            name = story.fresh("t")

            def answer(version: str) -> Any:
                gone = version == NEW and (removed or scene.broken)
                return 404 if gone else (200, {"text": "kept"})

            story.send(f"PUT /things/{name}", scene.first, 200)
            read = story.send(f"GET /things/{name}", scene.second, answer(scene.second), index=1)
            if read.response is not None and read.response.status == 200:
                for version in {scene.first, scene.second}:
                    story.sweep(read, version, answer(version))

        return everywhere(scene, *(() if removed else ("forward",)), story=story)  # type: ignore[arg-type]

    assert told(play(True)) == {("compatible", "new-version")}
    assert LOST in told(play(False))


def test_members_that_never_were_anything_but_null_may_be_missing() -> None:
    def play(known: Any) -> Judgement:
        story = Story()

        def scene(scene: Scene) -> None:
            full = {"id": "a", "nickname": known}
            name = story.fresh("t")
            read = story.send(f"GET /things/{name}", scene.first, (200, {"id": "a"} if scene.broken else full))
            story.sweep(read, scene.second, (200, {"id": "a"} if scene.broken else full))

        return everywhere(scene, "forward", story=story)

    assert play(None).violations == ()
    assert ("compatible", "mixed") in told(play("Al"))


def test_an_empty_text_told_as_null_is_a_rendering() -> None:
    story = Story()

    def play(scene: Scene) -> None:
        read = story.send(f"GET /things/{story.fresh('t')}", scene.first, (200, {"note": "", "by": None}))
        story.sweep(read, scene.first, (200, {"note": "", "by": None}))
        other = scene.broken and scene.second == NEW
        story.sweep(read, scene.second, (200, {"note": None if other else "", "by": "" if other else None}))

    judgement = everywhere(play, "forward", story=story)
    assert "no lost write" not in {violation.guarantee for violation in judgement.violations}
