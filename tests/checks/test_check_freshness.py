"""Read-your-writes: after an acknowledged write its writer reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.checks.scenes import note, place, poll, usual
from tests.checks.story import Scene, Story, everywhere, orders_contracts, promised, told
from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.contracts.registry import ContractRegistry
from verifier.plan.model import ExchangeShape, SessionShape

STALE = ("read-your-writes", "mixed")


def noted_then_read(shown: dict[str, Any], *, write: dict[str, Any] | None = None, broken: bool = True) -> Judgement:
    """A note is set and the order read; where it is broken the read shows what is given."""

    def play(scene: Scene) -> None:
        order = usual(scene)
        note(scene, order, "new", index=4, **(write or {}))
        body = {"id": order, "note": "new", **(shown if scene.broken else {})}
        scene.story.send(f"GET /orders/{order}", scene.second, (200, body), index=5)

    return everywhere(play, *(["forward"] if broken else []))  # type: ignore[list-item]


@pytest.mark.parametrize("old", ["n", "", None])
def test_an_old_value_that_comes_back_is_found(old: Any) -> None:
    judgement = noted_then_read({"note": old})
    assert STALE in told(judgement)
    stale = next(found for found in judgement.violations if found.guarantee == STALE[0])
    assert (stale.versions, stale.operation) == (("1.4", "2.0"), "getOrder")


def test_the_new_value_passes() -> None:
    assert noted_then_read({}).verdict == "pass"


@pytest.mark.parametrize(
    "extra",
    [
        {"items": [{"sku": "a", "count": 1}]},
        {"items": [], "note": "new"},
        {"tags": ["x"], "items": [{"id": "another"}]},
        {"more": {"note": "another note"}},
    ],
)
def test_a_resource_that_holds_lists_is_no_list(extra: dict[str, Any]) -> None:
    """The order itself is shown, with its id; its items are not where it is to be found."""
    assert noted_then_read(extra).verdict == "pass"
    assert STALE in told(noted_then_read({**extra, "note": "n"}))


@pytest.mark.parametrize("write", [{"outcome": "info"}, {"fault": "lost-answer", "outcome": "info"}])
def test_after_a_write_that_may_have_happened_either_value_is_right(write: dict[str, Any]) -> None:
    assert noted_then_read({"note": "n"}, write=write).verdict == "pass"


def test_a_read_that_began_before_the_write_ended_may_show_either() -> None:
    def play(scene: Scene) -> None:
        order = usual(scene)
        began = scene.story.clock
        note(scene, order, "new", index=4)
        body = (200, {"id": order, "note": "n"})
        scene.story.send(f"GET /orders/{order}", scene.second, body, index=5, started=began)

    assert everywhere(play).violations == ()


def test_another_client_need_not_see_it_yet() -> None:
    def play(scene: Scene) -> None:
        order = usual(scene)
        note(scene, order, "new", index=4)
        scene.story.send(f"GET /orders/{order}", scene.second, (200, {"id": order, "note": "n"}), replay="another")

    assert everywhere(play).violations == ()


def test_an_equal_id_in_another_service_is_another_resource() -> None:
    entries = orders_contracts().entries
    both = ContractRegistry((*entries, *(replace(entry, service="returns") for entry in entries)))
    story = Story(services={"orders": ("1.4", "2.0"), "returns": ("1.4", "2.0")}, registry=both)

    def play(scene: Scene) -> None:
        order = usual(scene)
        for version in (scene.first, scene.second):
            answer = (200, {"id": order, "note": "of the return"})
            scene.story.send(f"GET /orders/{order}", version, answer, service="returns", index=5)

    assert everywhere(play, story=story).violations == ()


LISTED = """
    service: orders
    operations:
      placeOrder:
        writes: $request.body#/customer
        completes: {poll: $response.header.Operation-Location, state: $response.body#/status, final: [done, failed]}
      listOrders:
        freshness: {class: read-your-writes, resource: $request.query.customer}
"""


@pytest.mark.parametrize("state", ["done", "failed", "pending"])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_list_shows_what_was_placed_once_it_is_done(state: str, whole: bool, wrapped: bool) -> None:
    def play(scene: Scene) -> None:
        story, order = scene.story, scene.story.fresh("o")
        made = story.send("POST /orders", scene.first, (202, {"id": order}), body={"customer": "c" + order, "n": 1},
                          headers={"Operation-Location": f"/operations/{order}"})  # fmt: skip
        poll(scene, made, order, state if scene.broken else "done", *(("done",) if state == "pending" else ()))
        listed: list[Any] = [{"id": "another"}, {"id": order, "n": 1}]
        shown = listed if whole or not scene.broken else listed[:1]
        story.send(f"GET /orders?customer=c{order}", scene.second, (200, {"orders": shown} if wrapped else shown))

    story = Story(registry=promised(LISTED))
    missed = not whole and state != "failed"
    assert (STALE in told(everywhere(play, "forward", story=story))) is missed


def test_an_order_that_was_not_yet_done_need_not_be_listed() -> None:
    def play(scene: Scene) -> None:
        story, order = scene.story, scene.story.fresh("o")
        made = place(scene, order=order, key=order, to=scene.first)
        story.charge(order)
        story.send(f"GET /orders?customer={order}", scene.second, (200, {"orders": []}))
        poll(scene, made, order, "done")
        usual(scene)

    assert everywhere(play).violations == ()


@pytest.mark.parametrize("kind", ["monotonic", "bounded, within: 2s"])
def test_a_class_that_nothing_checks_is_never_passed(kind: str) -> None:
    text = f"""
        service: orders
        operations:
          getOrder:
            freshness: {{class: {kind}, resource: $request.path.id}}
    """

    def play(scene: Scene) -> None:
        for version in (scene.first, scene.second):
            scene.story.send("GET /orders/o1", version, (200, {"id": "o1"}))

    judgement = everywhere(play, story=Story(registry=promised(text)))
    assert judgement.verdict == "unknown"
    assert any("getOrder" in sentence for sentence in judgement.unknowns)


STRONG = """
    service: orders
    operations:
      setNote: {writes: $request.path.id}
      getOrder: {freshness: {class: CLASS, resource: $request.path.id}}
"""
CLASSES = ("read-your-writes", "strong")


def borrowed(*lent: int, steps: tuple[tuple[int, str | None], ...], kind: str) -> set[tuple[str, str]]:
    """What is found in a session whose exchanges `lent` are another client's, for each class of freshness.

    `steps`: the exchanges in the order in which they are sent, each with the note that it writes, or (None) reads.
    A read shows the note before the last one where versions meet, the last one elsewhere.
    """
    story = Story(registry=promised(STRONG.replace("CLASS", kind)))

    def play(scene: Scene) -> None:
        order, notes = story.fresh("o"), ["as it was"]
        for index, text in steps:
            if text is not None:
                note(scene, order, text, index=index)
                notes.append(text)
            else:
                shown = notes[-2] if scene.broken else notes[-1]
                story.send(f"GET /orders/{order}", scene.second, (200, {"id": order, "note": shown}), index=index)

    everywhere(play, "forward", story=story)
    shapes = tuple(
        ExchangeShape("any", "orders", text is not None, lender="lender" if index in lent else "")
        for index, text in sorted(steps)
    )
    plan = replace(story.plan(), sessions=(SessionShape("s1", shapes),))
    return told(judge(story.history(), story.registry, plan)) & {STALE}


WRITTEN_AND_READ = ((0, "first"), (1, None))


@pytest.mark.parametrize("lent", [(), (0, 1)])
@pytest.mark.parametrize("kind", CLASSES)
def test_one_client_reads_what_it_has_written(kind: str, lent: tuple[int, ...]) -> None:
    assert borrowed(*lent, steps=WRITTEN_AND_READ, kind=kind) == {STALE}


@pytest.mark.parametrize("lent", [0, 1])
def test_what_another_client_has_written_need_only_be_seen_by_strong_reads(lent: int) -> None:
    """Borrowed exchanges stand in the same replay and are not the session's own client's."""
    assert borrowed(lent, steps=WRITTEN_AND_READ, kind="read-your-writes") == set()
    assert borrowed(lent, steps=WRITTEN_AND_READ, kind="strong") == {STALE}


@pytest.mark.parametrize("kind", CLASSES)
def test_after_another_client_s_write_one_s_own_need_not_be_the_last(kind: str) -> None:
    """The read shows what its client wrote, and not yet what the other one wrote after it."""
    steps = ((0, "own"), (1, "another's"), (2, None))
    assert borrowed(1, steps=steps, kind=kind) == ({STALE} if kind == "strong" else set())
    assert borrowed(steps=steps, kind=kind) == {STALE}


def test_one_s_own_write_after_another_client_s_is_to_be_seen() -> None:
    steps = ((0, "another's"), (1, "own"), (2, None))
    assert borrowed(0, steps=steps, kind="read-your-writes") == {STALE}


def test_a_class_that_only_other_clients_reads_had_a_part_in_is_never_passed() -> None:
    story = Story(registry=promised(STRONG.replace("CLASS", "read-your-writes")))

    def play(scene: Scene) -> None:
        order = story.fresh("o")
        note(scene, order, "n", index=0)
        story.send(f"GET /orders/{order}", scene.second, (200, {"id": order, "note": "n"}), index=1)

    assert everywhere(play, story=story).verdict == "pass"
    shapes = (ExchangeShape("setNote", "orders", True, lender="another"), ExchangeShape("getOrder", "orders", False))
    lending = replace(story.plan(), sessions=(SessionShape("s1", shapes),))
    judgement = judge(story.history(), story.registry, lending)
    assert judgement.unknowns == ("orders declares getOrder read-your-writes, and no operation tested it",)
