"""Plans as text, held against files. To renew them, see tests/golden/README.md."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.plan.systems import SESSIONS, shop
from verifier.matrix.model import Matrix
from verifier.plan.planner import plan
from verifier.plan.render import render

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
    text = render(plan(system, SESSIONS, seed=0), replays=replays)
    file = GOLDEN / f"plan-{name}.txt"
    if os.environ.get("RENEW_GOLDEN") == "1":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), "see tests/golden/README.md"


def test_no_golden_plan_is_left_over() -> None:
    assert {file.name for file in GOLDEN.glob("plan-*.txt")} == {f"plan-{name}.txt" for name in PLANS}
