"""Plans as text, held against files. To renew them, see tests/golden/README.md."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.plan.systems import SESSIONS, shop, version
from verifier.matrix.model import Matrix, Migrations
from verifier.matrix.pairs import pairs
from verifier.plan.planner import plan
from verifier.plan.render import render, render_pairs

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
PLANS: dict[str, tuple[Matrix, bool]] = {
    "rolling": (shop(), False),
    "canary": (shop(strategy="canary"), False),
    "blue-green": (shop(strategy="blue-green"), False),
    "recreate": (shop(strategy="recreate"), False),
    "rollback-every-state": (shop(rollback="every-state"), False),
    "rollback-none": (shop(rollback="none"), False),
    "order-any": (shop(every_order=True, rollback="none"), False),
    "replays": (shop(rollback="none", budget=3.2), True),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_reads_as_before(name: str) -> None:
    system, replays = PLANS[name]
    compare(name, render(plan(system, SESSIONS, seed=0), replays=replays))


def compare(name: str, text: str) -> None:
    file = GOLDEN / f"plan-{name}.txt"
    if os.environ.get("RENEW_GOLDEN") == "1":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), "see tests/golden/README.md"


def test_the_plans_of_three_versions_read_as_before() -> None:
    """Orders have a third version, so there are two pairs. In the second, payments stay at their last version."""
    system = shop(rollback="none", budget=20.0)
    orders = system.service("orders")
    versions = (*orders.versions, version("2.1", migrations=Migrations(expand=("expand", "2.1"))))
    others = [entry for entry in system.services if entry is not orders]
    three = replace(system, services=(*others, replace(orders, versions=versions)))
    plans = [(str(pair), plan(pair.matrix, SESSIONS, seed=0)) for pair in pairs(three)]
    compare("pairs", render_pairs(plans))


def test_no_golden_plan_is_left_over() -> None:
    assert {file.name for file in GOLDEN.glob("plan-*.txt")} == {f"plan-{name}.txt" for name in (*PLANS, "pairs")}
