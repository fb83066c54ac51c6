"""Scenarios that several tests play: an order placed with a retry, and what usually follows."""

from __future__ import annotations

from typing import Any

from tests.checks.history_builder import Answer, Scenario
from verifier.history.model import Operation


def place_order(
    scenario: Scenario,
    *,
    order: str,
    key: str,
    to: str,
    retry: Operation | None = None,
    answer: Answer = None,
    **more: Any,
) -> Operation:
    """Place an order; it is accepted unless another answer is given."""
    accepted = (202, {"id": order, "status": "pending"})
    return scenario.builder.send(
        "POST /orders",
        to,
        answer if answer is not None else accepted,
        key=key,
        body={"reference": order},
        headers={"Operation-Location": f"/operations/{order}"} if answer is None else None,
        retry=retry,
        **more,
    )


def poll_order(scenario: Scenario, of: Operation, order: str, *states: str, to: str = "") -> None:
    """Poll an accepted order through the versions by turn, seeing one state after the other."""
    for number, state in enumerate(states):
        version = to or (scenario.second, scenario.first)[number % 2]
        scenario.builder.send(f"GET /operations/{order}", version, (200, {"status": state}), of=of, source="poll")


def healthy_session(scenario: Scenario) -> str:
    """A whole session without a defect: an order placed, retried, charged once, noted and read. Returns its id."""
    builder, order, key = scenario.builder, scenario.builder.fresh("o"), scenario.builder.fresh("k")
    first = place_order(scenario, order=order, key=key, to=scenario.first, fault="lost-answer", outcome="info")
    again = place_order(scenario, order=order, key=key, to=scenario.second, retry=first, fault="lost-answer")
    builder.charge(order, version=scenario.first)
    poll_order(scenario, again, order, "pending", "done")
    put_note(scenario, order, "n")
    read = builder.send(f"GET /orders/{order}", scenario.second, (200, {"id": order, "note": "n"}), index=2)
    for version in dict.fromkeys((scenario.first, scenario.second)):
        builder.sweep(read, version, (200, {"id": order, "note": "n"}))
    return order


def put_note(scenario: Scenario, order: str, text: str, **more: Any) -> Operation:
    more.setdefault("index", 1)
    to = more.pop("to", scenario.first)
    return scenario.builder.send(f"PUT /orders/{order}/note", to, (200, {"id": order}), body={"note": text}, **more)
