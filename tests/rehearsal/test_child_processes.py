"""Looks at the processes of replicas: what is told, when it is waited, and what makes two processes equal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.fake_runtime import FakeRuntime, matrix, rehearse
from verifier.checks.children import counts
from verifier.history.model import ReplicaEvent
from verifier.rehearsal import child_processes
from verifier.rehearsal.child_processes import ChildProcesses, described, role
from verifier.runtime.base import ChildProcess


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("node /srv/app/worker.js --port 30123", "node /opt/worker.js --port 8080"),
        ("python -c from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=7)",) * 2,
        ("rq worker redis://:secret@127.0.0.1:6390/0", "rq worker redis://cache:6379/1"),
        ("sh -c  run  3f2a9c14-77aa-4c1e-9a3e-0f8e5d5f6a77", "sh -c run 0b61cc0d-1c39-4f0a-b1a3-5d0a1b3a6f10"),
    ],
)
def test_processes_of_one_purpose_have_one_role(one: str, other: str) -> None:
    assert role(one) == role(other)
    assert "secret" not in role(one)


def test_processes_of_other_purposes_have_other_roles() -> None:
    assert len({role(text) for text in ("python crew.py mail", "python crew.py clock", "python /x/crew.py lead")}) == 3


def test_what_is_told_can_be_read_back() -> None:
    told = Counter({"python a.py 1": 2, "b": 0})
    event = ReplicaEvent("s", "r", "orders", "1", "child-ended", 0.0, described(told, {"b"}))
    assert counts(event) == told
    assert event.detail.splitlines()[0] == "0 b", "what has changed comes first"
    changing = ReplicaEvent("s", "r", "orders", "1", "children", 0.0, described(Counter(a=2), set(), Counter(a=1)))
    assert (counts(changing)["a"], counts(changing, fewest=True)["a"]) == (2, 1)


class Told:
    """One replica whose processes a test changes; `waited` is how often it was looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, within: float = 0.2) -> None:
        monkeypatch.setattr(child_processes, "REPLACED_WITHIN", within)
        self.live: Callable[[int], list[str] | None] = lambda look: []
        self.exit: str | None = None
        self.waited = 0
        self.told: list[tuple[str, str]] = []
        self.seen = ChildProcesses(self, lambda *told: self.told.append(told[3:]))  # type: ignore[arg-type]

    async def child_processes(self, replica: str) -> tuple[ChildProcess, ...] | None:
        self.waited += 1
        found = self.live(self.waited)
        parts = None if found is None else [text.partition(" #") for text in found]
        return (
            None
            if parts is None
            else tuple(ChildProcess(own or str(at), text) for at, (text, _, own) in enumerate(parts))
        )

    async def exited(self, replica: str) -> str | None:
        return self.exit

    def look(self, *live: list[str] | Callable[[int], list[str] | None] | None) -> list[tuple[str, str]]:
        """The first look, then one for each that follows."""

        async def looks() -> None:
            for number, found in enumerate(live):
                self.waited = 0
                self.live = found if callable(found) else lambda look, found=found: found
                await (self.seen.look("r", "orders", "1") if number else self.seen.begin("r"))

        asyncio.run(looks())
        return self.told


def test_what_is_another_process_at_each_look_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two lived through from the second look to the third, and none to the fourth."""
    one, other, third = "send mail #a", "send mail #b", "send mail #c"
    told = Told(monkeypatch).look([], [one, other], [other, third], [one, "send mail #d"])
    assert told == [("children", "2 send mail"), ("children", "1..2 send mail"), ("children", "0..2 send mail")]


def test_a_look_is_told_at_first_and_where_it_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch).look([], ["a", "a"], ["a", "a"], ["a", "a", "b"])
    assert told == [("children", "2 a"), ("children", "2 a\n1 b")]
    assert Told(monkeypatch).look([], []) == [("children", "")], "that there are none is known as well"


def test_fewer_than_before_is_told_as_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch).look(["a", "b"], ["a", "b"], ["a"], ["a"])
    assert told == [("children", "1 a\n1 b"), ("child-ended", "0 b\n1 a")]


def test_a_process_that_is_replaced_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Told(monkeypatch, within=20.0)
    told = watch.look(["a"], ["a"], lambda look: ["a"] if look > 2 else [])
    assert told == [("children", "1 a"), ("children", "0..1 a")]
    assert watch.waited == 3


def test_of_several_roles_each_is_replaced_at_a_moment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is waited for in vain, the others come and go."""
    watch = Told(monkeypatch)
    told = watch.look(["a", "once"], ["a", "once"], lambda look: [] if look % 3 else ["a"])
    assert told == [("children", "1 a\n1 once"), ("child-ended", "0 once\n0..1 a")]


def test_a_role_that_came_back_is_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Told(monkeypatch)
    watch.look(["a"], [], ["a"])
    watch.look(["a"], lambda look: ["a"] if look > 2 else [])
    assert watch.waited == 3


def test_a_role_is_waited_for_in_vain_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Told(monkeypatch)
    watch.look(["a"], [])
    assert watch.waited > 2
    watch.look(["a"], [])
    assert watch.waited == 1


def test_what_ends_with_its_leader_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Told(monkeypatch)
    watch.exit = "exited with status 1"
    assert watch.look(["a"], []) == []
    assert watch.look(["a"], None) == []


def test_a_runtime_that_cannot_list_them_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Told(monkeypatch).look(None, ["a"], []) == []


def test_children_are_in_the_history_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_processes, "REPLACED_WITHIN", 0.05)
    looked: Counter[str] = Counter()

    def commands(spec: Any) -> list[str]:
        """The second mailer of version 1 ends in the rollout, after the look at its beginning and that of its start."""
        looked[spec.id] += 1
        ends = spec.version == "1" and spec.id.endswith("-5.2") and looked[spec.id] > 2
        return ["python mail.py"] * (1 if ends else 2)

    ran = rehearse(matrix(tmp_path), FakeRuntime(commands=commands), tmp_path)
    assert ran.error is None
    assert {event.detail for event in ran.replicas("children")} == {"2 python mail.py"}
    (event,) = ran.replicas("child-ended")
    assert (event.detail, event.version, event.step.partition(".")[0]) == ("1 python mail.py", "1", "rollout")
