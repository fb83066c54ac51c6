"""The key `rollout` and `after`: strategies with the numbers of Kubernetes, orders, covers, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.errors import BadInput
from verifier.matrix.model import Amount, Matrix
from verifier.matrix.parse import parse

TEXT = """\
services:
  api: {port: 80, command: serve, versions: {"1": {}, "2": {}}AFTER_A}
  web: {port: 80, command: serve, versions: {"1": {}, "2": {}}AFTER_B}
traffic: [{recording: r.har}]
rollout: ROLLOUT
"""


def read(folder: Path, rollout: str = "{}", a: str = "", b: str = "") -> Matrix:
    (folder / "r.har").write_text("{}")
    text = TEXT.replace("ROLLOUT", rollout)
    for name, waits in (("AFTER_A", a), ("AFTER_B", b)):
        text = text.replace(name, f", after: {waits}" if waits else "")
    (folder / "m.yaml").write_text(text)
    return parse(folder / "m.yaml", ())


def test_the_defaults_are_those_of_a_rolling_update_that_adds_one_replica(tmp_path: Path) -> None:
    found = read(tmp_path).rollout
    assert (found.strategy, found.surge, found.unavailable) == ("rolling", Amount(1), Amount(0))
    assert (found.cover, found.paths, found.every_order) == ("states", 6, False)


def test_numbers_and_shares_are_read_as_on_kubernetes(tmp_path: Path) -> None:
    found = read(tmp_path, "{rolling: {maxSurge: 25%, maxUnavailable: 1}}").rollout
    assert (found.strategy, found.surge, found.unavailable) == ("rolling", Amount(25, percent=True), Amount(1))
    assert [found.surge.of(replicas, up=True) for replicas in (1, 4, 5)] == [1, 1, 2]
    assert [found.surge.of(replicas, up=False) for replicas in (1, 4, 8)] == [0, 1, 2]
    found = read(tmp_path, "{canary: {steps: [10%, 50%]}, cover: transitions, paths: 40}").rollout
    assert (found.strategy, found.canary, found.cover, found.paths) == ("canary", (10, 50), "transitions", 40)
    assert read(tmp_path, "{strategy: canary, canary: {steps: [10%]}}").rollout.canary == (10,)
    assert read(tmp_path, "{recreate: {}}").rollout.strategy == "recreate"
    assert read(tmp_path, "{blue-green: null}").rollout.strategy == "blue-green"


def test_services_that_wait_are_upgraded_in_every_order_that_this_allows(tmp_path: Path) -> None:
    found = read(tmp_path, b="[api]")
    assert found.service("web").after == ("api",)
    assert found.rollout.every_order
    assert read(tmp_path, "{order: any}", b="[api]").rollout.every_order


@pytest.mark.parametrize(
    ("rollout", "key", "said"),
    [
        (
            "{rolling: {maxSurge: 0, maxUnavailable: 0%}}",
            "rollout.rolling.maxUnavailable",
            "no replica could be replaced",
        ),
        ("{rolling: {maxSurge: many}}", "rollout.rolling.maxSurge", "must be a number of replicas or a share"),
        ("{rolling: {maxSurge: [1], maxUnavailable: {}}}", "rollout.rolling.maxSurge", "must be a number of replicas"),
        ("{rolling: {maxSurge: true}}", "rollout.rolling.maxSurge", "must be a number of replicas"),
        ("{rolling: {maxSurge: 130%}}", "rollout.rolling.maxSurge", "must be a number of replicas"),
        ("{rolling: {steps: [10%]}}", "rollout.rolling.steps", "unknown key"),
        ("{canary: {steps: []}}", "rollout.canary.steps", "must be a list of shares"),
        ("{canary: {steps: [50%, 10%]}}", "rollout.canary.steps[1]", "must be larger"),
        ("{canary: {steps: [3]}}", "rollout.canary.steps[0]", "must be a share such as 10%"),
        ("{canary: {}, rolling: {}}", "rollout.canary", "there is one strategy: rolling stands beside it"),
        ("{strategy: recreate, rolling: {}}", "rollout.rolling", "the strategy is recreate"),
        ("{cover: all}", "rollout.cover", "must be one of states, transitions"),
        ("{paths: 0}", "rollout.paths", "at least 1 and at most 1000"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path: Path, rollout: str, key: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, rollout)
    assert [(problem.key, said in problem.message) for problem in caught.value.problems[:1]] == [(key, True)]


@pytest.mark.parametrize(
    ("rollout", "a", "b", "said"),
    [
        ("{}", "[c]", "", "there is no service 'c'"),
        ("{}", "[web]", "[api]", "'api' would wait for itself"),
        ("{}", "[api]", "", "'api' would wait for itself"),
        ("{}", "web", "", "must be a list"),
        ("{order: [api, web]}", "", "[api]", "must be any, because a service says after which others it is upgraded"),
        ("{order: safe}", "", "[api]", "must be any"),
    ],
)
def test_orders_that_contradict_each_other_are_refused(tmp_path: Path, rollout: str, a: str, b: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, rollout, a, b)
    assert any(said in problem.message for problem in caught.value.problems), caught.value.problems
