"""`verifier redact`: a copy without secrets, for its owner alone, whole or not at all; `plan` says when it is due."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from tests.cli.small_matrix import verifier
from tests.recording.planted_secrets import planted
from tests.recording.test_planted_secrets import readable
from verifier.recording.har import HarWriter
from verifier.recording.load import load
from verifier.recording.secret_map import PLACEHOLDER

MATRICES = Path(__file__).parents[2] / "matrices"


def written(path: Path) -> Path:
    with HarWriter(path, redact=None, began=1767323045.0) as writer:
        for exchange in planted().exchanges:
            writer.add(exchange, "secret-session-name")
    return path


def test_a_recording_from_elsewhere_is_copied_without_its_secrets(tmp_path: Path) -> None:
    recording = written(tmp_path / "shop.har")
    document = json.loads(recording.read_text())
    document["log"]["pages"] = [{"id": "p", "title": "?token=S3cr-in-a-title"}]
    recording.write_text(json.dumps(document))
    done = verifier("redact", "shop.har", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    copy = tmp_path / "shop.redacted.har"
    text = copy.read_text()
    assert readable(planted(), text) == [] and "S3cr" not in text and "secret-session" not in text
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.har", "shop.redacted.har"]
    before, after = load(recording).sessions, load(copy).sessions
    assert [item.at for item in before[0].exchanges] == [item.at for item in after[0].exchanges]
    # It says what it redacted, where, and how often, and what a replay needs.
    for row in (r"path +jsessionid +1 +redacted", r"query +api_key +1 +redacted", r"\.\.\. +\d+ more names"):
        assert re.search(rf"^{row}", done.stderr, re.MULTILINE), done.stderr
    assert "credentials:" in done.stdout
    assert readable(planted(), done.stdout + done.stderr) == []
    # Once more, what was redacted stays as it is.
    again = verifier("redact", copy, "--out", tmp_path / "again.har", cwd=tmp_path)
    assert PLACEHOLDER.findall((tmp_path / "again.har").read_text()) == PLACEHOLDER.findall(text), again.stderr


@pytest.mark.parametrize("content", ["", "{", '{"log": {"entries": []}}'])
def test_what_is_no_recording_leaves_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.har").write_text(content)
    done = verifier("redact", "x.har", "--out", "y.har", cwd=tmp_path)
    assert done.returncode == 2 and "x.har" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.har"]
    done = verifier("redact", MATRICES / "recordings" / "notes.har", "--out", "nowhere/y.har", cwd=tmp_path)
    assert done.returncode == 2 and "--out" in done.stderr


def test_plan_warns_of_a_recording_with_secrets_and_of_no_other(tmp_path: Path) -> None:
    recording = MATRICES / "recordings" / "notes.har"
    matrix = (MATRICES / "notes-safe.yaml").read_text().replace("../", f"{MATRICES.parent}/")
    for text, warned in (
        (recording.read_text(), False),
        (recording.read_text().replace("X-Session", "X-Api-Key"), True),
    ):
        (tmp_path / "notes.har").write_text(text)
        (tmp_path / "m.yaml").write_text(matrix.replace("recordings/notes.har", "notes.har"))
        done = verifier("plan", "m.yaml", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        told = [line for line in done.stderr.splitlines() if "looks like secrets" in line]
        assert len(told) == warned
        assert not warned or ("request header X-Api-Key" in told[0] and "`verifier redact " in told[0])
