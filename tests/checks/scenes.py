"""Scenes that several tests play: an order placed with a retry, and what usually follows."""

from __future__ import annotations

from typing import Any

from tests.checks.story import Answer, Scene
from verifier.history.model import Operation


def place(
    scene: Scene, *, order: str, key: str, to: str, retry: Operation | None = None, answer: Answer = None, **more: Any
) -> Operation:
    """Place an order; it is accepted unless another answer is given."""
    accepted = (202, {"id": order, "status": "pending"})
    return scene.story.send(
        "POST /orders",
        to,
        answer if answer is not None else accepted,
        key=key,
        body={"reference": order},
        headers={"Operation-Location": f"/operations/{order}"} if answer is None else None,
        retry=retry,
        **more,
    )


def poll(scene: Scene, of: Operation, order: str, *states: str, to: str = "") -> None:
    """Poll an accepted order through the versions by turn, seeing one state after the other."""
    for number, state in enumerate(states):
        version = to or (scene.second, scene.first)[number % 2]
        scene.story.send(f"GET /operations/{order}", version, (200, {"status": state}), of=of, source="poll")


def usual(scene: Scene) -> str:
    """A whole session without a defect: an order placed, retried, charged once, noted and read. Returns its id."""
    story, order, key = scene.story, scene.story.fresh("o"), scene.story.fresh("k")
    first = place(scene, order=order, key=key, to=scene.first, fault="lost-answer", outcome="info")
    again = place(scene, order=order, key=key, to=scene.second, retry=first, fault="lost-answer")
    story.charge(order, version=scene.first)
    poll(scene, again, order, "pending", "done")
    note(scene, order, "n")
    read = story.send(f"GET /orders/{order}", scene.second, (200, {"id": order, "note": "n"}), index=2)
    for version in dict.fromkeys((scene.first, scene.second)):
        story.sweep(read, version, (200, {"id": order, "note": "n"}))
    return order


def note(scene: Scene, order: str, text: str, **more: Any) -> Operation:
    more.setdefault("index", 1)
    to = more.pop("to", scene.first)
    return scene.story.send(f"PUT /orders/{order}/note", to, (200, {"id": order}), body={"note": text}, **more)
