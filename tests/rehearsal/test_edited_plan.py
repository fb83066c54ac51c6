"""Plans from a file: what may be edited is run, what may not be ends with file, line and key, and no pass is silent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, matrix, prepared
from verifier.errors import BadInput
from verifier.plan.edited import WHY
from verifier.rehearsal.edited_plan import line_of, with_plans
from verifier.rehearsal.judging import load_and_judge
from verifier.rehearsal.prepare import Prepared
from verifier.rehearsal.walk import Rehearsal

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def inputs(tmp_path: Path) -> Prepared:
    return prepared(replace(matrix(tmp_path, replicas=1), faults=("duplicate-after", "lost-answer")))


def text(inputs: Prepared, edit: Edit = lambda document: None) -> str:
    document = json.loads(msgspec.json.encode(inputs.plan))
    edit(document)
    return json.dumps(document, indent=2)


def edited(inputs: Prepared, edit: Edit) -> Prepared:
    (found,) = with_plans((inputs,), text(inputs, edit), "plan.json")
    return found


def run(inputs: Prepared, folder: Path) -> tuple[str, tuple[str, ...]]:
    folder.mkdir()
    asyncio.run(Rehearsal(inputs, FakeRuntime(), "for the test", folder, lambda event: None).run())
    judgement, *_ = load_and_judge(folder)
    return judgement.verdict, judgement.unknowns


def of_rollout(document: dict[str, Any], step: int = 1) -> Any:
    return next(path for path in document["paths"] if path["kind"] == "rollout")["steps"][step]


def faulted(document: dict[str, Any]) -> Any:
    return next(replay for replay in of_rollout(document)["replays"] if replay["fault"])


def test_a_plan_that_was_not_changed_is_the_plan(inputs: Prepared) -> None:
    assert edited(inputs, lambda document: None).plan == inputs.plan


def test_paths_stand_in_the_order_of_the_file_and_what_is_removed_is_told(inputs: Prepared, tmp_path: Path) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["paths"].reverse()
        for step in document["paths"][0]["steps"]:
            step["replays"] = [replay for replay in step["replays"] if not replay["fault"]]

    found = edited(inputs, edit)
    assert [path.id for path in found.plan.paths] == [path.id for path in inputs.plan.paths][::-1]
    removed = {item.what: (item.count, item.total) for item in found.plan.coverage.left_out if item.why == WHY}
    count = sum(replay.fault is not None for replay in inputs.plan.paths[-1].steps[0].replays)
    assert removed.keys() == {"faulted replays"} and removed["faulted replays"][0] >= count > 0
    verdict, unknowns = run(found, tmp_path / "run")
    assert (verdict, found.plan.edited) == ("pass", ()), unknowns
    judgement, *_ = load_and_judge(tmp_path / "run")
    assert any(item.why == WHY for item in judgement.coverage.left_out), "the verdict tells it too"


@pytest.mark.parametrize("control", ["control-old-1", "control-old-2", "control-new", "control-upgrade"])
def test_without_a_control_there_is_no_pass(control: str, inputs: Prepared, tmp_path: Path) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["paths"] = [path for path in document["paths"] if path["id"] != control]

    verdict, unknowns = run(edited(inputs, edit), tmp_path / "run")
    assert verdict == "unknown"
    assert any(control in reason and "nothing tells what is usual" in reason for reason in unknowns)


def test_without_a_rollout_or_with_half_a_control_there_is_no_pass(inputs: Prepared) -> None:
    def controls(document: dict[str, Any]) -> None:
        document["paths"] = [path for path in document["paths"] if path["kind"] != "rollout"]

    def half(document: dict[str, Any]) -> None:
        document["paths"][0]["steps"].pop()
        document["paths"][1]["steps"][1]["replays"].clear()

    assert edited(inputs, controls).plan.edited == (
        "the edited plan has no rollout, so no mixture of versions is tested",
    )
    first, second = edited(inputs, half).plan.edited
    assert "only 1 of 2 steps of the control control-old-1" in first
    assert "no replay in a step of the control control-old-2" in second


def test_a_shorter_rollout_covers_less(inputs: Prepared, tmp_path: Path) -> None:
    def edit(document: dict[str, Any]) -> None:
        rollout = next(path for path in document["paths"] if path["kind"] == "rollout")
        del rollout["steps"][1:]
        for replay in rollout["steps"][0]["replays"]:
            replay["fault"] = None

    found = edited(inputs, edit).plan.coverage
    assert found.states.covered < inputs.plan.coverage.states.covered
    assert found.states.total == inputs.plan.coverage.states.total
    assert {"steps", "states of the rollout"} <= {item.what for item in found.left_out if item.why == WHY}


WRONG: dict[str, tuple[Edit, str, str]] = {
    "seed": (lambda plan: plan.update(seed=7), "seed", "cannot be edited"),
    "tool": (lambda plan: plan.update(tool="0.0.0"), "tool", "is of verifier '0.0.0'"),
    "no path": (lambda plan: plan["paths"].clear(), "paths", "has no path"),
    "twice": (lambda plan: plan["paths"].append(plan["paths"][0]), "paths[5].id", "is there twice"),
    "elsewhere": (lambda plan: plan["paths"][0].update(id="../../x"), "paths[0].id", "is no path of this matrix"),
    "kind": (lambda plan: plan["paths"][0].update(kind="rollout"), "paths[0].kind", "control-old"),
    "a confirmation": (lambda plan: plan["paths"][0].update(confirms=True), "paths[0].kind", "no confirmation"),
    "first step": (lambda plan: plan["paths"][0]["steps"].pop(0), "paths[0].steps[0].id", "only the last steps"),
    "actions": (lambda plan: of_rollout(plan)["actions"].clear(), "paths[4].steps[1].actions", "cannot be edited"),
    "state": (lambda plan: of_rollout(plan)["state"].clear(), "paths[4].steps[1].state", "cannot be edited"),
    "edited": (lambda plan: plan.update(edited=["x"]), "edited", "cannot be edited"),
    "session": (lambda plan: faulted(plan).update(session="x"), "session", "is no session"),
    "route": (lambda plan: faulted(plan)["route"].append("1"), "route", "has 3 versions"),
    "version": (lambda plan: faulted(plan)["route"].__setitem__(1, "9"), "route[1]", "runs '9'"),
    "replay": (lambda plan: faulted(plan).update(id="../x"), "id", "no id of letters"),
    "fault": (lambda plan: faulted(plan)["fault"].update(kind="flood"), "fault.kind", "'flood' is none of"),
    "index": (lambda plan: faulted(plan)["fault"].update(index=2), "fault.index", "from 0 to 1"),
    "negative": (lambda plan: faulted(plan)["fault"].update(index=-1), "fault.index", "from 0 to 1"),
    "name": (lambda plan: faulted(plan)["fault"].update(name="x"), "fault.name", "must be 'PUT /things/{}'"),
    "first": (lambda plan: faulted(plan)["fault"].update(first="9"), "fault.first", "runs '9'"),
    "until": (lambda plan: faulted(plan)["fault"].update(until="x"), "fault.until", "must be a later step"),
    "moment": (lambda plan: faulted(plan)["fault"].update(moment=1e300), "fault.moment", "between 0 and 1"),
    "handover": (lambda plan: faulted(plan)["fault"].update(kind="handover", first="2", second="1"), "fault",
                 "in rollout.2"),
    "partner": (lambda plan: faulted(plan)["fault"].update(kind="inner-lost-answer"), "fault.callee", "must name"),
    "reorder": (lambda plan: faulted(plan)["fault"].update(kind="reorder"), "fault.index", "cannot be sent before"),
    "missing key": (lambda plan: plan["paths"][1].pop("steps"), "paths[1]", "missing required field `steps`"),
    "type": (lambda plan: of_rollout(plan).update(live="no"), "paths[4].steps[1].live", "Expected `bool`"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_may_not_be_edited_is_told_with_line_and_key(name: str, inputs: Prepared) -> None:
    edit, key, message = WRONG[name]
    content = text(inputs, edit)
    with pytest.raises(BadInput) as raised:
        with_plans((inputs,), content, "plan.json")
    problem = raised.value.problems[0]
    assert problem.file == "plan.json" and key in problem.key and message in problem.message, problem
    last = problem.key.rpartition(".")[2].partition("[")[0]
    assert 1 <= problem.line <= content.count("\n") + 1
    if problem.key.endswith(last) and name not in ("edited", "missing key"):
        assert f'"{last}"' in content.splitlines()[problem.line - 1]


@pytest.mark.parametrize(
    ("content", "line"),
    [("", 1), ("{", 1),
     ('{\n"schema": 1,\n}', 3), ("[" * 100_000, 0), ('{"paths": [1e999]}', 1), ("[]", 1), ("nul", 1)],
)  # fmt: skip
def test_what_is_no_plan_is_told(content: str, line: int, inputs: Prepared) -> None:
    with pytest.raises(BadInput) as raised:
        with_plans((inputs,), content, "plan.json")
    assert raised.value.problems[0].line == line


def test_a_reproduction_needs_only_what_it_runs(inputs: Prepared) -> None:
    def alone(document: dict[str, Any]) -> None:
        document.update(repeated=True, tool="0.0.0")
        kept = {"control-old-1", "control-new", "rollout"}
        document["paths"] = [path for path in document["paths"] if path["id"] in kept]

    assert len(edited(inputs, alone).plan.paths) == 3
    for edit, key in (
        (lambda plan: plan["paths"][0].update(id="../../x"), "paths[0].id"),
        (lambda plan: plan["paths"][0]["steps"][0].update(id="a/b"), "paths[0].steps[0].id"),
        (lambda plan: plan["paths"][0]["steps"][0]["actions"][0].update(version="9"), "paths[0].steps[0].actions[0]"),
        (lambda plan: plan["paths"][0]["steps"][0]["replays"][0].update(session="x"), "replays[0].session"),
        (lambda plan: plan["paths"][0]["steps"][0]["replays"][0]["route"].pop(), "replays[0].route"),
        (lambda plan: plan["paths"].clear(), "paths"),
    ):
        content = text(inputs, lambda plan, edit=edit: (alone(plan), edit(plan)))
        with pytest.raises(BadInput) as raised:
            with_plans((inputs,), content, "plan.json")
        assert raised.value.problems[0].key.endswith(key) and raised.value.problems[0].line > 1


def test_lines_are_found_whatever_the_layout() -> None:
    content = '\n{ "a\\"b" : [ 1,\n {"x": {}, "y":\n[true, null, "z"]}\n]}'
    assert line_of(content, ('a"b', 0)) == 2
    assert line_of(content, ('a"b', 1, "y", 2)) == 4
    assert line_of(content, ('a"b', 1, "gone")) == 3
    assert line_of(content, ("gone",)) == 2


def test_several_pairs_need_a_plan_each(inputs: Prepared) -> None:
    other = replace(inputs, pair=replace(inputs.pair, name="2-3"))
    plan = json.loads(msgspec.json.encode(inputs.plan))
    entries = [{"old": "1", "new": "2", "name": name, "plan": plan} for name in ("2-3", inputs.pair.name)]
    found = with_plans((inputs, other), json.dumps({"pairs": entries}), "plan.json")
    assert [entry.plan for entry in found] == [inputs.plan, inputs.plan]
    with pytest.raises(BadInput) as raised:
        with_plans((inputs, other), json.dumps({"pairs": entries[:1]}), "plan.json")
    assert "a plan for each pair" in str(raised.value)
    entries[0]["plan"] = plan | {"seed": 5}
    with pytest.raises(BadInput) as raised:
        with_plans((inputs, other), json.dumps({"pairs": entries}), "plan.json")
    assert raised.value.problems[0].key == "pairs[0].plan.seed"
