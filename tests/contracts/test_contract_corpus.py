"""The comparison on the labelled corpus: no break missed, none invented, nothing left open."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from contract_corpus import Pair, load_corpus
from jsonschema_rs import Draft202012Validator

from verifier.contracts.compare import compare
from verifier.contracts.load import load
from verifier.contracts.model import Contract
from verifier.contracts.variants import alternatives
from verifier.contracts.verdicts import COLUMNS, Comparison, ContractDifference, mirrored
from verifier.pointers import MISSING

CORPUS = load_corpus()


@pytest.fixture(params=CORPUS, ids=lambda pair: pair.name)
def pair(request: pytest.FixtureRequest) -> Pair:
    found = request.param
    assert isinstance(found, Pair)
    return found


def _contracts(pair: Pair, folder: Path) -> tuple[Contract, Contract]:
    old, new = pair.write(folder)
    return load(old), load(new)


def test_it_is_large_enough_and_has_every_verdict() -> None:
    assert len(CORPUS) >= 120
    counted = Counter(verdict for pair in CORPUS for verdict in pair.expected)
    assert min(counted["compatible"], counted["breaking"]) > 100
    assert counted["skew"] > 20


def test_columns_are_as_labelled(pair: Pair, tmp_path: Path) -> None:
    old, new = _contracts(pair, tmp_path)
    result = compare(old, new)
    assert tuple(result.columns[column] for column in COLUMNS) == pair.expected, (pair.why, result.findings)


def test_swapping_the_documents_mirrors_the_columns(pair: Pair, tmp_path: Path) -> None:
    old, new = _contracts(pair, tmp_path)
    there, back = compare(old, new), compare(new, old)
    assert {mirrored(column): verdict for column, verdict in there.columns.items()} == back.columns
    assert _keys(there, mirror=True) == _keys(back, mirror=False)


def _keys(result: Comparison, *, mirror: bool) -> set[tuple[str, ...]]:
    return {
        (mirrored(item.column) if mirror else item.column, item.verdict, item.rule, item.operation, item.pointer)
        for item in result.findings
    }


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_document_is_compatible_with_itself(pair: Pair, side: str, tmp_path: Path) -> None:
    one, _ = pair.write(tmp_path) if side == "old" else reversed(pair.write(tmp_path))
    result = compare(load(one), load(one))
    assert result.findings == ()
    assert result.verdict == "compatible"


def _with_witness(old: Contract, new: Contract) -> list[ContractDifference]:
    """The differences that show a value of a schema, which the other schema can be asked about."""
    parts = ("body", "payload", "document", "status 200")
    return [item for item in compare(old, new).findings if item.witness is not MISSING and item.part in parts]


def test_many_pairs_have_a_witness(tmp_path: Path) -> None:
    """Else the next test would have nothing to look at."""
    shown = 0
    for pair in CORPUS:
        (tmp_path / pair.name).mkdir()
        shown += bool(_with_witness(*_contracts(pair, tmp_path / pair.name)))
    assert shown > 50


def test_every_witness_is_refused_by_the_reader(pair: Pair, tmp_path: Path) -> None:
    old, new = _contracts(pair, tmp_path)
    for item in _with_witness(old, new):
        writer, reader = (old, new) if item.column.endswith("old_to_new") else (new, old)
        sent, read = (alternatives(_schema(contract, item)) for contract in (writer, reader))
        assert Draft202012Validator(sent, validate_formats=True).is_valid(item.witness)
        assert not Draft202012Validator(read, validate_formats=True).is_valid(item.witness)


def _schema(contract: Contract, item: ContractDifference) -> Any:
    if contract.documents:
        return contract.documents[0].schema.document
    if item.part == "payload":
        return next(m.payload.document for m in contract.messages if m.id == item.operation and m.payload)
    operation = contract.operations[0]
    if item.part == "body":
        assert operation.body is not None
        media = operation.body.media[0]
    else:
        media = next(answer for answer in operation.answers if answer.status == "200").media[0]
    assert media.schema is not None
    return media.schema.document


def test_the_comparison_is_deterministic(tmp_path: Path) -> None:
    for pair in CORPUS[::10]:
        old, new = _contracts(pair, tmp_path)
        assert compare(old, new) == compare(old, new)
