"""Partners answer as their contract says, count effects by key, and forget between paths."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.correlation.building import request
from verifier.contracts.conform import Conformance
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.gateway.partner import PartnerServer
from verifier.http.message import Request

CONTRACT = """\
openapi: 3.1.0
info: {title: bank, version: "1"}
paths:
  /charge:
    post:
      operationId: charge
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses:
        "402": {description: declined}
        "201":
          description: done
          content:
            application/json: {schema: SCHEMA}
    get:
      operationId: charges
      responses: {"200": {description: all}}
  /quiet:
    delete:
      operationId: hush
      responses: {"404": {description: nothing there}}
  /vague:
    post:
      operationId: vague
      responses: {"2XX": {description: somehow}}
"""
OBJECT = (
    "{type: object, required: [id, n], properties: {id: {type: string, minLength: 3}, n: {type: integer, minimum: 4}}}"
)


def bank(folder: Path, schema: str = OBJECT, guarantees: str = "") -> PartnerServer:
    (folder / "bank.yaml").write_text(CONTRACT.replace("SCHEMA", schema))
    if guarantees:
        (folder / "guarantees.yaml").write_text(f"service: bank\noperations: {{{guarantees}}}\n")
    return PartnerServer(ContractRegistry((version_contract("bank", "", folder / "bank.yaml"),)))


def charge(key: str | None = None, body: Any = None) -> Request:
    return request("POST", "/charge", body or {"a": 1}, (("Idempotency-Key", key),) if key else ())


KEYED = "charge: {idempotent: {key: $request.header.Idempotency-Key}}"


def test_a_repeated_key_is_answered_as_before_and_counted_as_suppressed(tmp_path: Path) -> None:
    made = bank(tmp_path, guarantees=KEYED)
    first, again, other = (made.respond("bank", charge(key)) for key in ("k1", "k1", "k2"))
    assert [entry.effect for entry in (first, again, other)] == ["applied", "suppressed", "applied"]
    assert again.response == first.response
    assert json.loads(other.response.body)["id"] != json.loads(first.response.body)["id"]
    assert first.name == "charge"


def test_without_a_key_or_a_declaration_every_write_is_an_effect(tmp_path: Path) -> None:
    made = bank(tmp_path, guarantees=KEYED)
    assert [made.respond("bank", charge()).effect for _ in range(2)] == ["applied", "applied"]
    (tmp_path / "plain").mkdir()
    made = bank(tmp_path / "plain")
    assert [made.respond("bank", charge("k1")).effect for _ in range(2)] == ["applied", "applied"]


def test_reads_have_no_effect(tmp_path: Path) -> None:
    found = bank(tmp_path).respond("bank", request("GET", "/charge"))
    assert (found.name, found.response.status, found.effect) == ("charges", 200, "")


def test_keys_of_two_partners_are_not_the_same_key(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one, two = bank(tmp_path, guarantees=KEYED).registry.entries[0], bank(tmp_path / "b", guarantees=KEYED)
    other = version_contract("rival", "", tmp_path / "b" / "bank.yaml")
    both = PartnerServer(ContractRegistry((one, other)))
    assert both.respond("bank", charge("k")).effect == "applied"
    assert both.respond("rival", charge("k")).effect == "applied"
    assert both.respond("rival", charge("k")).effect == "suppressed"
    assert two.respond("bank", charge("k")).effect == "applied", "another server, another path: nothing is remembered"


@pytest.mark.parametrize(
    "schema",
    [
        OBJECT,
        "{type: object, required: [id], properties: {id: {type: string, enum: [a, b]}}}",
        "{type: object, required: [id], properties: {id: {type: string, format: uuid}}}",
        "{type: object, required: [id], properties: {id: {type: string, pattern: '^[0-9]{6}$'}}}",
        "{type: array, minItems: 2, items: {type: integer, multipleOf: 7}}",
        "{oneOf: [{type: string, pattern: '^x+$'}, {type: 'null'}]}",
        "{type: object, required: [at], properties: {at: {type: string, format: date-time}}}",
    ],
)
def test_answers_are_as_the_contract_says(schema: str, tmp_path: Path) -> None:
    made = bank(tmp_path, schema)
    contract = made.registry.contract("bank", "")
    assert contract is not None
    for _ in range(2):
        found = made.respond("bank", charge())
        assert found.response.status == 201, "the success answer, though another one stands before it"
        assert Conformance(contract).answer(charge(), found.response) == ()


@pytest.mark.parametrize(
    "media",
    [
        "{schema: {type: object, example: {id: pay, n: 5}}}",
        "{schema: {type: object, examples: [{id: pay, n: 5}, {id: other, n: 6}]}}",
        "{schema: {$ref: '#/components/schemas/Paid'}}",
        "{example: {id: pay, n: 5}, schema: {type: object, example: {id: other, n: 6}}}",
        "{examples: {one: {value: {id: pay, n: 5}}, two: {value: {id: other, n: 6}}}}",
        "{examples: {one: {$ref: '#/components/examples/Paid'}}, schema: {type: object}}",
    ],
)
def test_a_declared_example_is_taken(media: str, tmp_path: Path) -> None:
    components = (
        "components:\n  schemas: {Paid: {type: object, example: {id: pay, n: 5}}}\n"
        "  examples: {Paid: {value: {id: pay, n: 5}}}\n"
    )
    text = CONTRACT.replace("{schema: SCHEMA}", media).replace("SCHEMA", "{}")
    (tmp_path / "bank.yaml").write_text(text + components)
    made = PartnerServer(ContractRegistry((version_contract("bank", "", tmp_path / "bank.yaml"),)))
    bodies = [json.loads(made.respond("bank", charge()).response.body) for _ in range(2)]
    assert bodies == [{"id": "pay-1", "n": 5}, {"id": "pay-2", "n": 5}]


def test_a_uuid_stays_one_and_tells_charges_apart(tmp_path: Path) -> None:
    made = bank(tmp_path, "{type: object, required: [id], properties: {id: {type: string, format: uuid}}}")
    found = {uuid.UUID(json.loads(made.respond("bank", charge()).response.body)["id"]) for _ in range(3)}
    assert len(found) == 3


def test_what_no_contract_knows_is_answered_all_the_same(tmp_path: Path) -> None:
    made = bank(tmp_path)
    found = made.respond("bank", request("POST", "/nowhere", {}))
    assert (found.name, found.response.status, found.response.body) == ("POST /nowhere", 200, b"{}")
    assert found.effect == "applied"
    assert PartnerServer(ContractRegistry()).respond("other", request("GET", "/")).response.status == 200


@pytest.mark.parametrize(("method", "path", "status"), [("DELETE", "/quiet", 204), ("POST", "/vague", 200)])
def test_answers_without_a_body(method: str, path: str, status: int, tmp_path: Path) -> None:
    found = bank(tmp_path).respond("bank", request(method, path))
    assert (found.response.status, found.response.body) == (status, b"")
