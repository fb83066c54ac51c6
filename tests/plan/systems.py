"""Matrices and sessions as values, for tests of plans: one named system, and any that hypothesis draws."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from verifier.matrix.model import (
    FAULTS,
    ROLLBACKS,
    STRATEGIES,
    Matrix,
    Migrations,
    Partner,
    Rollout,
    Service,
    StopPolicy,
    Version,
)
from verifier.plan.model import ExchangeShape, SessionShape
from verifier.runtime.base import Readiness


def version(name: str, *, migrations: Migrations | None = None, environment: dict[str, str] | None = None) -> Version:
    return Version(
        name=name,
        image=None,
        build=None,
        command=("serve", name),
        directory=Path("/"),
        environment=tuple(sorted((environment or {}).items())),
        contract=None,
        migrations=migrations or Migrations(),
    )


def service(name: str, versions: Sequence[Version], replicas: int = 1) -> Service:
    return Service(name, 8080, replicas, Readiness("tcp", ""), StopPolicy(), tuple(versions))


def matrix(
    services: Sequence[Service],
    *,
    strategy: str = "rolling",
    rollback: str = "ends",
    every_order: bool = False,
    faults: tuple[str, ...] = FAULTS,
    budget: float = 300.0,
) -> Matrix:
    rollout = Rollout(strategy, tuple(entry.name for entry in services), every_order, False, rollback)
    return Matrix(
        "sample", Path("sample.yaml"), tuple(services), (), (Partner("psp", None),), rollout, (), faults, budget
    )


def shop(**more: object) -> Matrix:
    """Payments, then orders, whose new version brings migrations; a gateway that stays as it is."""
    migrations = Migrations(expand=("expand",), migrate=("move",), contract=("contract",), undo=("undo",))
    calls = {"PAYMENTS_URL": "http://payments:8080"}
    return matrix(
        [
            service("payments", [version(name, environment={"PSP": "http://psp:1"}) for name in ("1.2", "1.3")]),
            service(
                "orders",
                [version("1.4", environment=calls), version("2.0", environment=calls, migrations=migrations)],
                replicas=2,
            ),
            service("gateway", [version("7")]),
        ],
        **more,  # type: ignore[arg-type]
    )


SESSIONS = (
    SessionShape(
        "checkout",
        (
            ExchangeShape("placeOrder", "orders", True),
            ExchangeShape("getOrder", "orders", False),
            ExchangeShape("setNote", "orders", True),
        ),
    ),
    SessionShape("billing", (ExchangeShape("charge", "payments", True), ExchangeShape("getOrder", "orders", False))),
)

NAMES = ("a", "b", "a-b")


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    """One to three services of one to three versions and replicas, at least one of them upgraded."""
    found = []
    count = draw(st.integers(1, 3))
    for number in range(count):
        versions = draw(st.integers(1, 3)) if number else draw(st.integers(2, 3))
        stages = {name: ("run", name) for name in ("expand", "migrate", "contract", "undo") if draw(st.booleans())}
        last = version(str(versions), migrations=Migrations(**stages))
        replicas = draw(st.integers(1, 3))
        found.append(service(NAMES[number], [*(version(str(at)) for at in range(1, versions)), last], replicas))
    return matrix(
        draw(st.permutations(found)),
        strategy=draw(st.sampled_from(STRATEGIES)),
        rollback=draw(st.sampled_from(ROLLBACKS)),
        every_order=draw(st.booleans()),
        faults=tuple(draw(st.lists(st.sampled_from(FAULTS), unique=True))),
        budget=draw(st.sampled_from([1.0, 30.0, 100_000.0])),
    )


@st.composite
def sessions(draw: st.DrawFn, system: Matrix) -> tuple[SessionShape, ...]:
    names = [entry.name for entry in system.services]
    kinds = st.sampled_from(["read", "write", "list"])
    exchange = st.builds(ExchangeShape, kinds, st.sampled_from(names), st.booleans(), st.booleans())
    return tuple(
        SessionShape(f"s{number}", tuple(draw(st.lists(exchange, min_size=1, max_size=5))))
        for number in range(draw(st.integers(1, 2)))
    )
