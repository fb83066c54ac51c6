"""The matrix of a reproduction reads from its own folder as the one of the run read from its own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from verifier.matrix.model import Matrix
from verifier.matrix.pairs import pairs
from verifier.matrix.parse import parse
from verifier.runtime.stores.registered import PROCESS_STORES
from verifier.shrink.matrix_copy import Moved, matrix_text

ROOT = Path(__file__).resolve().parents[2]


def _moved(file: Path, folder: Path, number: int = 0) -> tuple[Matrix, Matrix]:
    """The matrix of a pair, and what is read from its copy in another folder."""
    (own, *_) = [pairs(parse(file, PROCESS_STORES))[number]]
    folder.mkdir()
    (folder / "part.har").write_bytes(own.matrix.traffic[0].recording.read_bytes())
    moved = Moved(file.parent, folder, {})
    text = matrix_text(file, own.matrix, moved, [(own.matrix.traffic[0], "part.har")], "Reproduces this.\nAnd that.")
    (folder / "matrix.yaml").write_text(text, encoding="utf-8")
    assert text.startswith("# Reproduces this.\n# And that.\n")
    (copy,) = pairs(parse(folder / "matrix.yaml", PROCESS_STORES))
    return own.matrix, copy.matrix


@pytest.mark.parametrize("name", ["checkout-retry", "charge-retry", "checkout-rows", "notes-unsafe", "greet-unsafe"])
def test_services_and_stores_are_the_same_from_another_folder(tmp_path: Path, name: str) -> None:
    own, copy = _moved(ROOT / "matrices" / f"{name}.yaml", tmp_path / "reproduction")
    assert copy.services == own.services
    assert (copy.stores, copy.partners, copy.rollout, copy.replaying) == (
        own.stores, own.partners, own.rollout, own.replaying,
    )  # fmt: skip
    assert copy.traffic == (replace(own.traffic[0], recording=tmp_path / "reproduction" / "part.har"),)


def test_of_several_pairs_only_one_is_left(tmp_path: Path) -> None:
    own, copy = _moved(ROOT / "matrices" / "checkout-releases.yaml", tmp_path / "reproduction", 2)
    assert [(entry.old.name, entry.new.name) for entry in copy.services] == [
        (entry.old.name, entry.new.name) for entry in own.services
    ]


def test_secrets_and_data_stay_where_they_are(tmp_path: Path) -> None:
    origin, folder = tmp_path / "origin", tmp_path / "elsewhere" / "reproduction"
    origin.mkdir()
    (tmp_path / "elsewhere").mkdir()
    for name in ("secret", "data.sql", "app.env"):
        (origin / name).write_text("", encoding="utf-8")
    (origin / "t.har").write_text("{}", encoding="utf-8")
    version = {"command": ["serve"], "env_file": "app.env"}
    document = {
        "services": {"api": {"port": 1, "versions": {"1": version, "2": dict(version)}}},
        "stores": {"db": {"process": "sqlite", "seed": "data.sql"}},
        "traffic": [
            {"recording": "t.har", "exclude": ["/x"], "credentials": {"redacted-0a": {"file": "secret"}},
             "rules": {"computed": [{"header": "X", "sha256-hmac": "body", "key": {"file": "secret"}}]}}
        ],
    }  # fmt: skip
    file = origin / "m.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    (own,) = pairs(parse(file, PROCESS_STORES))
    folder.mkdir()
    (folder / "part.har").write_text("{}", encoding="utf-8")
    text = matrix_text(file, own.matrix, Moved(origin, folder, {}), [(own.matrix.traffic[0], "part.har")], "x")
    (folder / "matrix.yaml").write_text(text, encoding="utf-8")
    copy = parse(folder / "matrix.yaml", PROCESS_STORES)
    assert copy.services[0].old.directory == origin
    assert copy.stores[0].seed == origin / "data.sql"
    assert [credential.name for credential in copy.traffic[0].credentials] == [str(origin / "secret")]
    assert copy.traffic[0].exclude == ()
    assert str(tmp_path) not in text and os.pardir in text
