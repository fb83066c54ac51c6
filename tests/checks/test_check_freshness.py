"""Read-your-writes: after an acknowledged write its writer reads it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.scenes import note, place, poll, usual
from tests.checks.story import Scene, Story, everywhere, promised, told
from verifier.checks.verdict import Judgement

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
    from dataclasses import replace

    from tests.checks.story import orders_promises
    from verifier.contracts.promises import Promises

    entries = orders_promises().entries
    both = Promises((*entries, *(replace(entry, service="returns") for entry in entries)))
    story = Story(services={"orders": ("1.4", "2.0"), "returns": ("1.4", "2.0")}, promises=both)

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

    story = Story(promises=promised(LISTED))
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

    judgement = everywhere(play, story=Story(promises=promised(text)))
    assert judgement.verdict == "unknown"
    assert any("getOrder" in sentence for sentence in judgement.unknowns)
