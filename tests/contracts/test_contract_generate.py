"""Generated requests are valid, different and the same for the same seed; witnesses become requests that break."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_contract_conform import DOCUMENT

from verifier.contracts.compare import compare
from verifier.contracts.conform import Conformance
from verifier.contracts.generate import requests, witness_request
from verifier.contracts.load import load
from verifier.contracts.model import Contract
from verifier.http.message import Request


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    path = tmp_path_factory.mktemp("generate") / "shop.yaml"
    path.write_text(DOCUMENT)
    return load(path)


@pytest.mark.parametrize("name", ["list", "place", "get", "latest", "form"])
def test_requests_are_valid_bounded_and_repeatable(shop: Contract, name: str) -> None:
    operation = shop.operation(name)
    assert operation is not None
    found = requests(shop, operation, 5, seed=7)
    assert 1 <= len(found) <= 5 and len(set(found)) == len(found)
    assert found == requests(shop, operation, 5, seed=7)
    wire = Conformance(shop)
    for request in found:
        assert wire.request(request) == ()
        matched = shop.match(request.method, request.target)
        assert matched is not None and matched.id == name
    assert name == "latest" or found != requests(shop, operation, 5, seed=8)


def test_given_headers_are_added(shop: Contract) -> None:
    operation = shop.operation("latest")
    assert operation is not None
    (request,) = requests(shop, operation, 3, headers=(("Authorization", "Bearer t"),))
    assert request == Request("GET", "/v1/orders/latest", (("Authorization", "Bearer t"),))


def _contract(tmp_path: Path, name: str, paths: dict[str, Any]) -> Contract:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}))
    return load(path)


ANSWERS = {"200": {"description": "ok"}}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"/a/{id}": {"post": {"operationId": "o", "parameters": [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "requestBody": {"required": True, "content": content}, "responses": ANSWERS}}}  # fmt: skip


def test_a_witness_of_a_body_is_valid_for_its_sender_and_refused_by_its_reader(tmp_path: Path) -> None:
    text = {"type": "string"}
    old = _contract(tmp_path, "old", _body({"type": "object", "required": ["a"], "properties": {"a": text, "n": text}}))
    new = _contract(
        tmp_path,
        "new",
        _body(
            {"type": "object", "required": ["a", "b"], "properties": {"a": text, "b": text, "n": {"type": "integer"}}}
        ),
    )
    findings = [item for item in compare(old, new).findings if item.verdict == "breaking"]
    assert {item.column for item in findings} == {"request_old_to_new", "request_new_to_old"}
    for item in findings:
        writer, reader = (old, new) if item.column == "request_old_to_new" else (new, old)
        request = witness_request(writer, item)
        assert request is not None
        assert Conformance(writer).request(request) == ()
        assert Conformance(reader).request(request) != ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([{"name": "q", "in": "query", "schema": {"type": "integer", "maximum": 9}}],
         [{"name": "q", "in": "query", "schema": {"type": "integer", "maximum": 5}}]),
        ([], [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}]),
        ([{"name": "X-A", "in": "header", "schema": {"type": "string", "enum": ["a", "b"]}}],
         [{"name": "X-A", "in": "header", "schema": {"type": "string", "enum": ["a"]}}]),
    ],
)  # fmt: skip
def test_a_witness_of_a_parameter(tmp_path: Path, old: list[Any], new: list[Any]) -> None:
    first, second = (
        _contract(tmp_path, name, {"/a": {"get": {"operationId": "o", "parameters": item, "responses": ANSWERS}}})
        for name, item in (("old", old), ("new", new))
    )
    (finding,) = [item for item in compare(first, second).findings if item.verdict == "breaking"]
    request = witness_request(first, finding)
    assert request is not None
    assert Conformance(first).request(request) == () and Conformance(second).request(request) != ()


def test_a_missing_operation_is_called(tmp_path: Path) -> None:
    old = _contract(tmp_path, "old", {"/a": {"get": {"operationId": "a", "responses": ANSWERS}}})
    new = _contract(tmp_path, "new", {"/b": {"get": {"operationId": "b", "responses": ANSWERS}}})
    gone, added = compare(old, new).findings
    assert witness_request(old, gone) == Request("GET", "/a")
    assert witness_request(new, added) == Request("GET", "/b")


def test_answers_have_no_request(tmp_path: Path) -> None:
    old = _contract(tmp_path, "old", {"/a": {"get": {"operationId": "a", "responses": ANSWERS}}})
    more = {**ANSWERS, "409": {"description": "conflict"}}
    new = _contract(tmp_path, "new", {"/a": {"get": {"operationId": "a", "responses": more}}})
    (finding,) = compare(old, new).findings
    assert finding.column == "response_new_to_old" and witness_request(new, finding) is None
