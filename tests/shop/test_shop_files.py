"""The matrices, contracts and recordings that belong to the shop and to the zoo are whole and belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shop.drive import SESSIONS
from verifier.contracts.guarantees import read
from verifier.contracts.load import load
from verifier.matrix.parse import parse
from verifier.recording.har import read_har
from verifier.runtime.stores.registered import PROCESS_STORES

ROOT = Path(__file__).resolve().parents[2]
MATRICES = sorted((ROOT / "matrices").glob("*.yaml"))


@pytest.mark.parametrize("file", MATRICES, ids=lambda file: file.stem)
def test_matrix(file: Path) -> None:
    matrix = parse(file, PROCESS_STORES)
    assert matrix.name == file.stem
    for service in matrix.services:
        for version in service.versions:
            if version.contract is None:
                continue
            promised = read(version.contract.with_name("guarantees.yaml"))
            declared = {operation.id for operation in load(version.contract).operations}
            assert promised.service == service.name
            assert {operation.operation for operation in promised.operations} <= declared


def test_every_release_of_the_shop_is_in_a_matrix() -> None:
    used = {
        version.contract
        for file in MATRICES
        for service in parse(file, PROCESS_STORES).services
        for version in service.versions
    }
    documents = {file for name in ("orders", "payments") for file in (ROOT / "contracts" / name).glob("[0-9]*.yaml")}
    assert documents <= used


@pytest.mark.parametrize(("name", "sessions"), [("checkout", len(SESSIONS)), ("notes", 2)])
def test_recording(name: str, sessions: int) -> None:
    recording = read_har(ROOT / "matrices" / "recordings" / f"{name}.har")
    assert len(recording.sessions) == sessions and not recording.warnings
    statuses = {exchange.response.status for session in recording.sessions for exchange in session.exchanges}
    assert statuses == ({200, 202} if name == "checkout" else {200})
