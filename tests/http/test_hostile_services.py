"""Services that do their worst: each request ends in time, in little memory, and with a word that says what came.

Service and caller are processes of their own, and the caller's peak of memory is measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.http.hostile_caller import IMPATIENT, PATIENT
from tests.http.hostile_service import KINDS, SLOW

ROOT = Path(__file__).resolve().parents[2]
MEGABYTES = 400
BUSY = 10.0  # seconds that a busy machine may add to a time-out
HEADS = {"headers", "some-headers-more", "endless-head", "continue", "endless-trailer", "endless-extension"}
BODIES = {"endless-body", "declared-body", "bomb", "bomb-in-one-member", "members", "codings"}
FINE = {"large", "sixty-headers"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    command = [sys.executable, "-m", "tests.http.hostile_service"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        yield int(service.stdout.readline())
        service.communicate(timeout=20)


def meet(way: str, port: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.http.hostile_caller", way, str(port)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["megabytes"] < MEGABYTES
    assert set(found["came"]) == set(KINDS)
    for kind, seconds in found["seconds"].items():
        assert seconds < (IMPATIENT if kind in SLOW else PATIENT) + BUSY, kind
    return found


def kinds(words: dict[str, list[str]], wanted: str) -> set[str]:
    return {kind for kind, found in words.items() if found == [wanted]}


def test_every_kind_has_a_word() -> None:
    assert set(KINDS) == HEADS | BODIES | FINE | set(SLOW)


@pytest.mark.slow
def test_the_client_cuts_what_is_too_large_and_leaves_what_is_too_slow(port: int) -> None:
    came = meet("client", port)["came"]
    assert kinds(came, "head-too-large") == HEADS
    assert kinds(came, "body-too-large") == BODIES
    assert kinds(came, "timeout") == set(SLOW)
    assert kinds(came, "200") == FINE


@pytest.mark.slow
def test_the_gateway_records_what_it_cut_and_passes_on_the_rest(port: int) -> None:
    """It forwards bodies while they arrive, so its caller meets those that are too large."""
    found = meet("gateway", port)
    assert kinds(found["recorded"], "head-too-large") == HEADS
    assert kinds(found["recorded"], "timeout") == set(SLOW) - {"body-slowly"}
    assert kinds(found["recorded"], "200") == BODIES | FINE | {"body-slowly"}
    assert kinds(found["came"], "body-too-large") == BODIES
    assert kinds(found["came"], "200") == FINE


@pytest.mark.slow
def test_the_recorder_notes_what_it_cut_and_passes_on_the_rest(port: int) -> None:
    found = meet("recorder", port)
    assert kinds(found["recorded"], "the service did not answer in full (head-too-large)") == HEADS
    assert kinds(found["came"], "502") == HEADS - {"endless-trailer", "endless-extension"}
    assert kinds(found["came"], "body-too-large") == BODIES
    assert kinds(found["came"], "timeout") == set(SLOW)
    assert kinds(found["came"], "200") == FINE
