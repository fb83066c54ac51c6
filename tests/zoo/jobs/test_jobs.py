"""Accepted is not completed, with nothing declared: each defect of a pair is caught, and its sibling is silent."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.rehearsing import Recorded, filled, har, rehearse, told

HERE = Path(__file__).parent
NAMES = uuid.UUID("0c9be5a7-41f3-4d7e-93a5-6d2f8b7c1e90")
WAITED = ("listed", "paged", "searched", "reports", "pages")
MATRIX = """
matrix: jobs-{release}
services:
  jobs:
    port: 8000
    ready: /healthz
    replicas: 2
    environment: {{DATABASE_URL: "${{stores.db.url}}", HOOK_URL: "http://hook:9090"}}
    stop: {{signal: SIGTERM, grace: 5s}}
    versions:
      "1": {{command: [{python}, {service}, {old}, --port, "{{port}}"]}}
      "2": {{command: [{python}, {service}, {release}, --port, "{{port}}"]}}
stores: {{db: {{process: sqlite}}}}
partners: {{hook: {{}}}}
faults: {faults}
rollout: {{strategy: rolling, rollback: {rollback}}}
traffic: [{{recording: old.har, client: "1", session-header: X-Session}}]
"""


def name(word: str) -> str:
    return str(uuid.uuid5(NAMES, word))


def repeated(kind: str, path: str, shown: Iterable[Any]) -> Iterator[Recorded]:
    """A client that reads again every tenth of a second."""
    return (Recorded("GET", path, None, 200, value, kind, pause=0.1) for value in shown)


def listed() -> Iterator[Recorded]:
    """The list grows with what others have done meanwhile."""
    mine, others = name("n"), [{"n": name(word)} for word in ("x", "y", "z")]
    yield Recorded("POST", "/listed", {"n": mine}, 202, {"id": name("listed")}, "listed")
    yield from repeated("listed", "/listed", (others[:1], others[:2], others, [*others, {"n": mine}]))


def paged() -> Iterator[Recorded]:
    """The last of three titles, on the second page."""
    owner, titles = name("owner"), [name(word) for word in ("t1", "t2", "t3")]
    yield Recorded("POST", "/paged", {"owner": owner, "titles": titles}, 202, {"id": name("paged")}, "paged")
    shown = [{"page": 2, "titles": found} for found in ([], [], titles[2:])]
    yield from repeated("paged", f"/paged/{owner}?page=2", shown)


def searched() -> Iterator[Recorded]:
    """Found inside of a longer text."""
    text = name("text")
    yield Recorded("POST", "/searched", {"text": text}, 202, {"id": name("searched")}, "searched")
    shown: list[list[Any]] = [[], [], [{"title": f"all about {text}"}]]
    yield from repeated("searched", f"/searched?q={text}", ({"hits": hits} for hits in shown))


def reports() -> Iterator[Recorded]:
    report = name("report")
    yield Recorded("POST", "/reports", {}, 202, {"id": report}, "reports")
    for _ in range(2):
        yield Recorded("GET", f"/reports/{report}", None, 404, {"error": "nothing is here"}, "reports", pause=0.1)
    yield from repeated("reports", f"/reports/{report}", [{"id": report, "state": "done"}])


def pages() -> Iterator[Recorded]:
    """A client that asks for what has changed since it last read."""
    page, text = name("page"), "hello"
    path, shown = f"/pages/{page}", {"name": page, "text": text, "html": None}
    first, last = '"5-queued"', '"5-done"'
    yield Recorded("PUT", path, {"text": text}, 202, {"id": page}, "pages")
    yield Recorded("GET", path, None, 200, shown, "pages", told={"ETag": first}, pause=0.1)
    for _ in range(2):
        since = {"If-None-Match": first}
        yield Recorded("GET", path, None, 304, None, "pages", since, {"ETag": first}, pause=0.1)
    rendered = {**shown, "html": f"<p>{text}</p>"}
    yield Recorded("GET", path, None, 200, rendered, "pages", {"If-None-Match": first}, {"ETag": last}, pause=0.1)


def stated(kind: str, sent: Any, **more: Any) -> Iterator[Recorded]:
    job = name(kind)
    yield Recorded("POST", f"/{kind}", sent, 202, {"id": job}, kind)
    for state, runs in (("queued", 0), ("queued", 0), ("done", 1)):
        counted = {"runs": runs} if kind == "counted" else {}
        yield from repeated(kind, f"/{kind}/{job}", [{"id": job, "state": state, **counted}])


def hooks() -> Iterator[Recorded]:
    return stated("hooks", {"reference": name("reference")})


def counted() -> Iterator[Recorded]:
    """A job, and how often it was run, which the client looks at once more."""
    yield from stated("counted", {})
    yield from repeated("counted", f"/counted/{name('counted')}", [{"id": name("counted"), "state": "done", "runs": 1}])


CLIENTS = {"listed": listed, "paged": paged, "searched": searched, "reports": reports, "pages": pages, "hooks": hooks,
           "counted": counted}  # fmt: skip


def rehearsed(
    folder: Path,
    release: str,
    kinds: Iterable[str],
    faults: str = "none",
    rollback: str = "none",
    old: str = '"1"',
) -> dict[str, Any]:
    matrix = filled(MATRIX, HERE / "jobs.py", release=release, faults=faults, rollback=rollback, old=old)
    return rehearse(folder, matrix, har("jobs:8000", (each for kind in kinds for each in CLIENTS[kind]())))


@pytest.mark.slow
def test_work_that_old_ticks_off_unseen_is_missed_wherever_it_would_show(tmp_path: Path) -> None:
    """A list that grows meanwhile, a second page, a search, a 404, an ETag."""
    verdict = rehearsed(tmp_path, "lost", WAITED)
    found, causes = told(verdict), [entry["cause"] for entry in verdict["causes"]]
    accepting = {f"PUT /{kind}/{{}}" if kind == "pages" else f"POST /{kind}" for kind in WAITED}
    assert {("completes", "mixed", operation) for operation in accepting} <= found
    assert len(causes) == len(WAITED), causes


@pytest.mark.slow
def test_work_that_either_does_is_silent(tmp_path: Path) -> None:
    """Once for each request, and also where the one who accepted is paused: the other one does it."""
    verdict = rehearsed(tmp_path, "ready", CLIENTS, "[handover]", "every-state")
    assert (verdict["verdict"], verdict["violations"]) == ("pass", [])


@pytest.mark.slow
def test_work_that_is_done_twice_is_told(tmp_path: Path) -> None:
    found = told(rehearsed(tmp_path, "twice", ("hooks", "counted")))
    assert ("exactly-once effect", "mixed", "POST /hooks") in found
    assert any(
        attribution == "mixed" and operation.endswith((" /counted", " /counted/{}"))
        for _, attribution, operation in found
    )
    assert {attribution for _, attribution, _ in found} == {"mixed"}


@pytest.mark.slow
def test_work_that_ends_only_after_going_back_does_not_complete(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "heir", ("listed", "reports"), rollback="ends")
    assert {("completes", "mixed", "POST /listed"), ("completes", "mixed", "POST /reports")} <= told(verdict)
    back = {step["id"] for step in verdict["steps"] if step["kind"] == "roll back"}
    messages = [entry["message"] for entry in verdict["violations"] if entry["guarantee"] == "completes"]
    assert any(f"it ended later, in {step}" in message for step in back for message in messages), messages


@pytest.mark.slow
def test_work_that_the_other_does_before_going_back_is_silent(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "heir-ready", ("listed", "reports"), rollback="ends")
    assert (verdict["verdict"], verdict["violations"]) == ("pass", [])


@pytest.mark.slow
def test_one_job_that_old_loses_does_not_excuse_the_many_that_the_mixture_loses(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "lost", ("listed",), old="careless")
    assert verdict["verdict"] == "fail"
    assert ("completes", "mixed", "POST /listed") in told(verdict)


@pytest.mark.slow
def test_one_job_that_both_lose_is_no_news(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "careless-2", ("listed",), old="careless")
    assert verdict["verdict"] == "pass"
    assert {attribution for _, attribution, _ in told(verdict)} == {"pre-existing"}, "it is told all the same"
