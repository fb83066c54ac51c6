"""Files: what both versions answer byte for byte the same, the mixture must too."""

from __future__ import annotations

import pytest

from tests.checks.history_builder import OLD, HistoryBuilder, Scenario, attributions, in_every_phase
from verifier.checks.verdict import Judgement

PICTURE, OTHER = bytes(range(256)), b"z1:" + bytes(range(200))


def downloaded(old: bytes, new: bytes, mixed: bytes, kind: str = "image/png", coding: str = "") -> Judgement:
    """One download through each version: what old answers, what new answers, and what comes where it is broken."""

    def play(scenario: Scenario) -> None:
        usually = old if scenario.second == OLD else new
        headers = {"Content-Type": kind} | ({"Content-Encoding": coding} if coding else {})
        for version in (scenario.second, scenario.second):
            shown = mixed if scenario.broken else usually
            scenario.builder.send("GET /files/1", version, (200, shown), headers=headers)

    return in_every_phase(play, "forward", builder=HistoryBuilder())


def test_a_file_that_neither_version_gives_by_itself_is_found() -> None:
    judgement = downloaded(PICTURE, PICTURE, OTHER)
    assert attributions(judgement) == {("compatible", "mixed")}
    (violation,) = judgement.violations
    assert "these 203 bytes are not the 256 that each version by itself answers every time" in violation.message
    assert violation.experience == "what was saved reads differently now"


@pytest.mark.parametrize(
    ("old", "new", "mixed", "kind", "coding"),
    [
        (PICTURE, OTHER, OTHER, "image/png", ""),  # the new release has another picture
        (PICTURE, OTHER, PICTURE, "image/png", ""),
        (b"<p>1</p>", b"<p>1</p>", b"<p>2</p>", "text/html; charset=utf-8", ""),
        (b"data: 1\n\n", b"data: 1\n\n", b"data: 2\n\n", "text/event-stream", ""),
        (PICTURE, PICTURE, OTHER, "image/png", "gzip"),  # the same may be packed in other ways
    ],
)
def test_other_releases_pages_streams_and_packed_bodies_may_differ(
    old: bytes, new: bytes, mixed: bytes, kind: str, coding: str
) -> None:
    judgement = downloaded(old, new, mixed, kind, coding)
    assert (judgement.verdict, judgement.violations) == ("pass", ())


def test_a_file_that_varies_in_a_control_may_vary_everywhere() -> None:
    """An export says when it was made."""
    builder, numbers = HistoryBuilder(), iter(range(1000))

    def play(scenario: Scenario) -> None:
        for version in (scenario.first, scenario.second):
            body = f"made at {next(numbers)}".encode()
            builder.send("GET /export", version, (200, body), headers={"Content-Type": "text/csv"})

    assert in_every_phase(play, "forward", builder=builder).verdict == "pass"
