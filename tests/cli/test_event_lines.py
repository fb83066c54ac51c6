"""`run --events`: every kind of event is a line of JSON with a name of its own."""

from __future__ import annotations

import json
from typing import get_args

from verifier.cli.watching import values
from verifier.plan.model import Count, Coverage, Path, Plan, PlannedStep
from verifier.rehearsal import events

STEP = PlannedStep("rollout.2", "replace", "mixed", "replace orders", (), (), (), True)
PATH = Path("rollout", "rollout", (STEP,))
PLAN = Plan(1, "1", "shop", 7, (PATH,), Coverage(*[Count(0, 0)] * 4))
SOME: tuple[events.Event, ...] = (
    events.RunBegan(PLAN, "process", "requested", "run"),
    events.PathBegan(PATH),
    events.PathCached(PATH, 5.0),
    events.ConfirmationBegan((PATH,)),
    events.StepBegan(STEP),
    events.ReplayEnded(STEP),
    events.StepEnded(STEP, "it broke", 1.23456),
    events.Doing("building images"),
)


def test_every_kind_of_event_has_a_name_of_its_own() -> None:
    assert {type(event) for event in SOME} == set(get_args(events.Event))
    told = [json.loads(json.dumps(values(event))) for event in SOME]
    assert len({entry["event"] for entry in told}) == len(SOME)


def test_an_event_says_what_it_is_about() -> None:
    assert values(SOME[0])["steps"] == 1
    assert values(SOME[2]) == {"event": "path-cached", "path": "rollout", "ran": 5.0}
    assert values(SOME[6]) == {"event": "step-ended", "step": "rollout.2", "error": "it broke", "seconds": 1.235}
