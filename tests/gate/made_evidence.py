"""Evidence made by hand, in few words: who ran side by side, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verifier.gate.model import Build, Direction, Evidence, Member, RunVersion, Sides, State

DAY = 86400.0
NOW = 1_000_000.0


def sides(**services: str) -> Sides:
    """Services with their versions: `sides(orders="1 2", payments="3")`."""
    return tuple(sorted((service, tuple(sorted(versions.split()))) for service, versions in services.items()))


def state(verdict: Any = "pass", *, origin: Sides = (), migrated: tuple[str, ...] = (), **services: str) -> State:
    direction: Direction = "back" if origin else "forward"
    causes = ("a cause",) if verdict == "fail" else ()
    return State(direction, sides(**services), migrated, verdict, ("rollout.1",), causes, origin)


def member(
    service: str, old: str, new: str = "", *, digests: Mapping[str, str] | None = None, contract: str = ""
) -> Member:
    def version(name: str) -> RunVersion:
        digest = (digests or {}).get(name, "")
        return RunVersion(name, (digest,) if digest else (), contract)

    return Member(service, version(old), version(new or old))


def evidence(
    run: str,
    members: tuple[Member, ...],
    states: tuple[State, ...],
    *,
    at: float = NOW - 60,
    matrix: str = "shop",
    **more: Any,
) -> Evidence:
    return Evidence(run, "pair", matrix, "process", "1", "", at, "pass", members, states, **more)


def of_orders(run: str = "r1", mixed: Any = "pass", *, payments: str = "3", **more: Any) -> Evidence:
    """Orders 1 → 2 beside payments: mixed, all new, and rolled back from both."""
    states = (
        state(mixed, orders="1 2", payments=payments),
        state(orders="2", payments=payments),
        state(orders="1", payments=payments, origin=sides(orders="1 2", payments=payments)),
        state(orders="1", payments=payments, origin=sides(orders="2", payments=payments)),
    )
    return evidence(run, (member("orders", "1", "2"), member("payments", payments)), states, **more)


def builds(**services: str) -> dict[str, tuple[Build, ...]]:
    return {service: tuple(Build(*text.split("@")) for text in texts.split()) for service, texts in services.items()}
