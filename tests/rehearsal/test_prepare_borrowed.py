"""What preparing makes of sessions that borrow, and of secrets that were not asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.small_matrix import ENTRIES, entry, recording
from tests.rehearsal.fake_runtime import FakeRuntime, matrix, prepared
from verifier.matrix.model import Traffic
from verifier.matrix.traffic_rules import Credential
from verifier.rehearsal.first_records import preparation_notes
from verifier.rehearsal.prepare import prepare
from verifier.rehearsal.walk import Rehearsal

ORDER = "9d7d4ec0-6d4e-4e0b-a6a2-6a0d0d1f9f11"
MATRIX = """\
services:
  words:
    port: 80
    command: serve
    versions: {"1": {}, "2": {}}
traffic: [{recording: words.har}]
"""


def test_borrowed_exchanges_are_the_session_s_own_but_for_pace_and_order(tmp_path: Path) -> None:
    entries = [
        entry("POST", "/carts", {}, 201, {"n": 1}, 1) | {"_session": "clerk"},
        entry("POST", "/orders", {}, 201, {"id": ORDER}, 5) | {"_session": "anna"},
        entry("GET", f"/orders/{ORDER}", None, 200, {"id": ORDER}, 9) | {"_session": "clerk"},
        entry("POST", "/notes", {}, 201, {"n": 1}, 12) | {"_session": "clerk"},
    ]
    (tmp_path / "words.har").write_text(recording(entries))
    (tmp_path / "m.yaml").write_text(MATRIX)
    made = prepare(tmp_path / "m.yaml", 0)[0]
    replay_script = made.replay_scripts["clerk"]
    names = [(step.lender, step.name) for step in replay_script.script.steps]
    assert names == [("", "POST /carts"), ("anna", "POST /orders"), ("", "GET /orders/{}"), ("", "POST /notes")]
    assert replay_script.services == ("words",) * 4
    assert replay_script.gaps == pytest.approx(
        (0.0, 0.0, 7.998, 2.998)
    )  # from the end of the client's own exchange before
    (note,) = preparation_notes(made)
    assert (note.kind, note.message) == (
        "borrowed",
        "session clerk takes 1 of its 4 exchanges from anna, which produce values that it uses: POST /orders",
    )
    reordered = {
        replay.fault.index
        for step in made.plan.steps
        for replay in step.replays
        if replay.session == "clerk" and replay.fault is not None and replay.fault.kind == "reorder"
    }
    assert 0 not in reordered  # another client's exchange cannot overtake this client's


def test_a_recording_of_one_session_borrows_nothing(tmp_path: Path) -> None:
    (tmp_path / "words.har").write_text(recording(ENTRIES))
    (tmp_path / "m.yaml").write_text(MATRIX)
    assert list(preparation_notes(prepare(tmp_path / "m.yaml", 0)[0])) == []


def test_what_was_prepared_without_its_secrets_cannot_be_run(tmp_path: Path) -> None:
    secret = Credential("redacted-a", "env", "WORD", 1, "traffic[0].credentials.redacted-a.env")
    made = matrix(tmp_path)
    inputs = prepared(replace(made, traffic=(Traffic(made.file, "", "things", credentials=(secret,)),)))
    directory = tmp_path / "run"
    directory.mkdir()
    runtime = FakeRuntime()
    with pytest.raises(ValueError, match="without the credentials"):
        asyncio.run(Rehearsal(inputs, runtime, "for the test", directory, lambda _: None).run())
    assert runtime.log == []
