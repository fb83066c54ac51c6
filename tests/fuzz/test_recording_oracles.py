"""The fuzzer's oracles, held by chance: what coverage looks for by hand, a few hundred cases look for in every run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import recording_oracles as oracles
from tests.recording.test_recording_fuzz import CAPTURE, LINE, SEED, mutated
from verifier.errors import BadInput
from verifier.recording.load import load

CASES = st.binary(min_size=1, max_size=200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oracles")


@pytest.mark.slow
@given(data=CASES)
@settings(max_examples=300, deadline=None)
def test_no_secret_survives(folder: Path, data: bytes) -> None:
    oracles.no_secret_survives(data, folder / "x.har")


@given(data=CASES)
@settings(max_examples=300, deadline=None)
def test_codings_are_undone(data: bytes) -> None:
    oracles.codings_are_undone(data)


@given(data=CASES)
@settings(max_examples=200, deadline=None)
def test_only_the_readable_is_asked_for(data: bytes) -> None:
    oracles.only_the_readable_is_asked_for(data)


@pytest.mark.parametrize(("suffix", "sample"), [("har", SEED), ("jsonl", LINE), ("gor", CAPTURE)])
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_what_was_read_is_written_and_read_again(folder: Path, suffix: str, sample: bytes, data: st.DataObject) -> None:
    path = folder / f"in.{suffix}"
    path.write_bytes(data.draw(mutated(sample)))
    try:
        recording = load(path)
    except BadInput:
        return
    oracles.rewritten(recording, folder / "out.har")
