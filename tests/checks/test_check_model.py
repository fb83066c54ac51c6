"""A correct service never fails, whatever is done to it; one that forgets, doubles or mixes up is always found.

The service is a model in memory, equal in both versions but for a field that the new one adds. Sessions are drawn,
and played in every phase with every fault at every write, over routes drawn anew; reads are swept afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.checks.history_builder import NEW, OLD, HistoryBuilder, attributions
from verifier.checks.verdict import Judgement
from verifier.history.model import Operation, Phase

FAULTS = ("", "duplicate-after", "duplicate-at-once", "lost-answer", "late-arrival", "duplicate-next-step")
STEPS: tuple[tuple[Phase, tuple[str, ...]], ...] = (
    ("control-old", (OLD,)),
    ("control-old", (OLD,)),
    ("control-new", (NEW,)),
    ("forward", (OLD,)),
    ("forward", (OLD, NEW)),
    ("rollback", (OLD,)),
    ("forward", (NEW,)),
)
Call = tuple[str, str]  # method, text
Impact = Callable[["Things", str, str, str], None]


@dataclass(slots=True)
class Things:
    """PUT, GET and DELETE of texts by name. `hurt` is done after every write: what a broken version does."""

    kept: dict[str, str] = field(default_factory=dict)
    hurt: Impact | None = None

    def call(self, version: str, method: str, name: str, text: str) -> tuple[int, Any]:
        if method == "PUT":
            self.kept[name] = text
        known = self.kept.get(name)
        if method == "DELETE":
            self.kept.pop(name, None)
        if method != "GET" and self.hurt is not None:
            self.hurt(self, version, method, name)
        if known is None:
            return 404, {"error": "none"}
        more = {"length": len(known)} if version == NEW else {}
        return (204, None) if method == "DELETE" else (200, {"name": name, "text": known, **more})


@dataclass(slots=True)
class Player:
    """Plays sessions as the replay does: it stops where an answer is not of the recorded class."""

    builder: HistoryBuilder
    session: list[Call]
    draw: random.Random
    hurt: Impact | None
    recordings: Things = field(default_factory=Things)
    reads: dict[str, Operation] = field(default_factory=dict)
    late: list[tuple[Operation, str]] = field(default_factory=list)

    def run(self) -> Judgement:
        path = ""
        for phase, live in STEPS:
            step = self.builder.step(phase, live={"orders": live})
            if step.rpartition(".")[0] != path:
                path, self.reads, self.late = step.rpartition(".")[0], {}, []
                self.recordings = Things(hurt=self.hurt)
            self._late(live)
            for number, (at, fault) in enumerate(self._disturbances(), 1):
                self.builder.replay = f"r{number}"
                self._session(live, at, fault)
            for _ in range(2 if phase.startswith("control") else 1):
                self._sweep(live)
        return self.builder.judge()

    def _disturbances(self) -> Iterator[tuple[int, str]]:
        yield -1, ""
        for at, (method, _) in enumerate(self.session):
            yield from ((at, fault) for fault in FAULTS if fault and method != "GET")

    def _session(self, live: tuple[str, ...], at: int, fault: str) -> None:
        name, recorded = self.builder.fresh("t"), Things()
        for index, (method, text) in enumerate(self.session):
            expected, _ = recorded.call(OLD, method, "t", text)
            first, second = self.draw.choice(live), self.draw.choice(live)
            seen = self._exchange(name, index, method, text, (first, second), fault if index == at else "")
            if seen.response is None or seen.response.status // 100 != expected // 100:
                break
            if method == "GET" and seen.response.status < 300:
                self.reads[name] = seen

    def _exchange(
        self, name: str, index: int, method: str, text: str, versions: tuple[str, str], fault: str
    ) -> Operation:
        first, second = versions

        def send(version: str, **more: Any) -> Operation:
            answer = self.recordings.call(version, method, name, text)
            return self.builder.send(f"{method} /things/{name}", version, answer, body={"text": text}, index=index,
                                     fault=fault, **more)  # fmt: skip

        if fault in ("", "duplicate-next-step"):
            seen = send(first)
            if fault:
                self.late.append((seen, text))
            return seen
        if fault == "late-arrival":  # the second attempt has its effect first
            answered = self.recordings.call(second, method, name, text)
            held = send(first, outcome="info")
            return self.builder.send(f"{method} /things/{name}", second, answered, index=index, fault=fault, retry=held)
        one = send(first, **({"outcome": "info"} if fault == "lost-answer" else {}))
        other = send(second, retry=one)
        return one if fault == "duplicate-after" else other

    def _late(self, live: tuple[str, ...]) -> None:
        for first, text in self.late:
            name, version = first.request.target.rpartition("/")[2], self.draw.choice(live)
            answer = self.recordings.call(version, first.request.method, name, text)
            self.builder.send(f"{first.request.method} {first.request.target}", version, answer, retry=first,
                              replay=f"{first.step}:{first.replay}", fault=first.fault)  # fmt: skip
        self.late = []

    def _sweep(self, live: tuple[str, ...]) -> None:
        for name, read in self.reads.items():
            for version in live:
                self.builder.sweep(read, version, self.recordings.call(version, "GET", name, ""))


CALL = st.sampled_from([("PUT", "a"), ("PUT", "b"), ("GET", ""), ("DELETE", "")])
SESSIONS = st.lists(CALL, max_size=4).map(lambda calls: [("PUT", "a"), ("GET", ""), *calls])
few_examples = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def played(session: list[Call], seed: int, hurt: Impact | None = None) -> Judgement:
    return Player(HistoryBuilder(), session, random.Random(seed), hurt).run()


@few_examples
@given(SESSIONS, st.integers(0, 1000))
def test_a_correct_service_never_fails(session: list[Call], seed: int) -> None:
    judgement = played(session, seed)
    assert judgement.violations == ()
    assert judgement.verdict == "pass"


def forgets(recordings: Things, version: str, method: str, name: str) -> None:
    """The new version keeps what it is given where nobody finds it."""
    if version == NEW and method == "PUT" and len(recordings.kept) > 3:
        recordings.kept.pop(name)


def mixes_up(recordings: Things, version: str, method: str, name: str) -> None:
    """The new version writes over what was kept before."""
    for other in list(recordings.kept)[:3]:
        if version == NEW and method == "PUT" and other != name:
            recordings.kept[other] = "mixed up"


def brings_back(recordings: Things, version: str, method: str, name: str) -> None:
    """The new version keeps a copy, and deletes only that."""
    if version == NEW and method == "DELETE":
        recordings.kept[name] = "a"


@few_examples
@given(SESSIONS, st.integers(0, 1000), st.sampled_from([forgets, mixes_up]))
def test_a_service_that_loses_or_alters_what_it_was_given_fails(session: list[Call], seed: int, hurt: Impact) -> None:
    kept = [call for call in session if call[0] != "DELETE"]  # what is deleted cannot be lost
    assert played(kept, seed, hurt).verdict == "fail"


@few_examples
@given(SESSIONS, st.integers(0, 1000))
def test_a_service_that_brings_back_what_was_deleted_fails(session: list[Call], seed: int) -> None:
    ends_deleted = [("PUT", "a"), ("GET", ""), *(call for call in session if call[0] != "DELETE"), ("DELETE", "")]
    judgement = played(ends_deleted, seed, brings_back)
    assert judgement.verdict == "fail"
    assert "no lost write" in {name for name, _ in attributions(judgement)}
