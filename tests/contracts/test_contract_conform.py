"""Conformance on the wire: every rule with the exchange that breaks it and one that keeps it."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.contracts import conform
from verifier.contracts.compiled import compile_schema
from verifier.contracts.conform import UNDOCUMENTED_OPERATION, Conformance
from verifier.contracts.load import load
from verifier.http.message import Headers, Request, Response

DOCUMENT = """
openapi: 3.0.3
info: {title: shop, version: "1"}
servers: [{url: "http://shop.example/v1"}]
paths:
  /orders:
    get:
      operationId: list
      parameters:
        - {name: limit, in: query, schema: {type: integer, maximum: 10}}
        - {name: tag, in: query, schema: {type: array, items: {type: string}}}
        - {name: since, in: query, required: true, schema: {type: string, format: date}}
        - {name: X-Tenant, in: header, required: true, schema: {type: string, enum: [a, b]}}
        - {name: session, in: cookie, schema: {type: integer}}
        - {name: filter, in: query, content: {application/json: {schema: {type: object, required: [q]}}}}
      responses: {"200": {description: ok}}
    post:
      operationId: place
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
      responses:
        "202":
          description: taken
          headers: {Location: {required: true, schema: {type: string}}, X-Left: {schema: {type: integer}}}
          content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}
        4XX: {description: bad, content: {application/problem+json: {schema: {type: object}}}}
        "204": {description: none, content: {application/json: {schema: {type: object}}}}
  /orders/{id}:
    get:
      operationId: get
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
  /orders/latest:
    get: {operationId: latest, responses: {default: {description: any}}}
  /form:
    post:
      operationId: form
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema: {type: object, required: [n], properties: {n: {type: integer}, s: {type: string}}}
      responses: {"200": {description: ok, content: {"text/*": {schema: {type: integer}}}}}
components:
  schemas:
    Order:
      type: object
      required: [item]
      properties:
        item: {type: string}
        note: {type: string, nullable: true}
        kids: {type: array, items: {$ref: '#/components/schemas/Order'}}
"""
JSON: Headers = (("Content-Type", "application/json; charset=utf-8"),)
PLACE = Request("POST", "/v1/orders", JSON, b'{"item": "x"}')
TAKEN: Headers = (*JSON, ("location", "/v1/orders/1"))


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Conformance:
    path = tmp_path_factory.mktemp("conform") / "shop.yaml"
    path.write_text(DOCUMENT)
    return Conformance(load(path))


def _rules(found: tuple[object, ...]) -> list[str]:
    return [item.rule for item in found]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("status", "headers", "body", "rules"),
    [
        (202, TAKEN, b'{"item": "x", "note": null, "kids": [{"item": "y"}]}', []),
        (202, TAKEN, b'{"item": 1}', ["body-schema"]),
        (202, TAKEN, b'{"item": "x", "kids": [{}]}', ["body-schema"]),
        (202, TAKEN, b'{"item": ', ["unreadable-body"]),
        (202, TAKEN, b"", ["unreadable-body"]),
        (202, TAKEN, b"\xff\xfe", ["unreadable-body"]),
        (202, JSON, b'{"item": "x"}', ["missing-header"]),
        (202, (*TAKEN, ("X-Left", "7")), b'{"item": "x"}', []),
        (202, (*TAKEN, ("X-Left", "many")), b'{"item": "x"}', ["header-schema"]),
        (202, (("Location", "/x"), ("Content-Type", "text/html")), b"<p>", ["undocumented-media-type"]),
        (202, (("Location", "/x"),), b'{"item": "x"}', ["undocumented-media-type"]),
        (202, (("Location", "/x"),), b"", ["missing-body"]),
        (200, JSON, b"{}", ["undocumented-status"]),
        (500, (), b"", ["undocumented-status"]),
        (418, (("Content-Type", "application/problem+json"),), b"{}", []),
        (204, (), b"", []),
    ],
)
def test_answers(wire: Conformance, status: int, headers: Headers, body: bytes, rules: list[str]) -> None:
    found = wire.answer(PLACE, Response(status, headers, body))
    assert _rules(found) == rules
    assert all(item.operation == "place" and item.message for item in found)


@pytest.mark.parametrize(
    ("coding", "encode"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", lambda b: zlib.compress(b, wbits=-15)),
     ("gzip, gzip", lambda b: gzip.compress(gzip.compress(b))), ("identity", lambda b: b)],
)  # fmt: skip
def test_content_codings_are_undone(wire: Conformance, coding: str, encode: object) -> None:
    headers = (*TAKEN, ("Content-Encoding", coding))
    assert wire.answer(PLACE, Response(202, headers, encode(b'{"item": "x"}'))) == ()  # type: ignore[operator]
    assert _rules(wire.answer(PLACE, Response(202, headers, encode(b'{"item": 1}')))) == ["body-schema"]  # type: ignore[operator]


def test_broken_codings_are_mismatches(wire: Conformance) -> None:
    headers = (*TAKEN, ("Content-Encoding", "gzip"))
    for body in (b"no gzip", gzip.compress(b'{"item": "x"}')[:-9]):
        assert _rules(wire.answer(PLACE, Response(202, headers, body))) == ["unreadable-body"]
    unknown = (*TAKEN, ("Content-Encoding", "br"))
    assert wire.answer(PLACE, Response(202, unknown, b"?")) == ()


def test_head_and_empty_answers(wire: Conformance) -> None:
    head = Request("HEAD", "/v1/orders/1")
    assert wire.answer(head, Response(200)) == ()
    assert _rules(wire.answer(Request("GET", "/v1/orders/1"), Response(200))) == ["missing-body"]


def test_an_unknown_path_has_a_rule_of_its_own(wire: Conformance) -> None:
    for request in (Request("GET", "/v1/nothing"), Request("DELETE", "/v1/orders")):
        assert _rules(wire.answer(request, Response(200))) == [UNDOCUMENTED_OPERATION]
        assert _rules(wire.request(request)) == [UNDOCUMENTED_OPERATION]


@pytest.mark.parametrize(
    ("target", "name"),
    [("/v1/orders/7?x=1", "get"), ("/orders/7", "get"), ("/orders/latest", "latest"), ("/v1/orders", "list"),
     ("/orders/a%2Fb", "get"), ("/v1", None), ("/orders/", None), ("/orders/1/2", None)],
)  # fmt: skip
def test_operations_are_found(wire: Conformance, target: str, name: str | None) -> None:
    found = wire.contract.match("GET", target)
    assert (found.id if found else None) == name


TENANT: Headers = (("X-Tenant", "a"),)


@pytest.mark.parametrize(
    ("target", "headers", "rules"),
    [
        ("/v1/orders?since=2024-02-29&limit=10&tag=a&tag=b", TENANT, []),
        ("/v1/orders?since=2024-02-29&limit=11", TENANT, ["parameter-schema"]),
        ("/v1/orders?since=2024-02-29&limit=many", TENANT, ["parameter-schema"]),
        ("/v1/orders?since=yesterday", TENANT, ["parameter-schema"]),
        ("/v1/orders?tag=x", TENANT, ["missing-parameter"]),
        ("/v1/orders?since=2024-02-29", (), ["missing-parameter"]),
        ("/v1/orders?since=2024-02-29", (("x-tenant", "c"),), ["parameter-schema"]),
        ("/v1/orders?since=2024-02-29", (*TENANT, ("Cookie", "a=b; session=x")), ["parameter-schema"]),
        ("/v1/orders?since=2024-02-29", (*TENANT, ("Cookie", "a=b; session=5")), []),
        ("/v1/orders?since=2024-02-29&filter=%7B%22q%22%3A1%7D", TENANT, []),
        ("/v1/orders?since=2024-02-29&filter=%7B%7D", TENANT, ["parameter-schema"]),
        ("/v1/orders?since=2024-02-29&unknown=1", TENANT, []),
        ("/v1/orders/seven", (), ["parameter-schema"]),
    ],
)
def test_parameters(wire: Conformance, target: str, headers: Headers, rules: list[str]) -> None:
    assert _rules(wire.request(Request("GET", target, headers))) == rules


FORM: Headers = (("Content-Type", "application/x-www-form-urlencoded"),)


def test_request_bodies(wire: Conformance) -> None:
    assert wire.request(PLACE) == ()
    assert _rules(wire.request(Request("POST", "/orders", JSON, b"{}"))) == ["body-schema"]
    assert _rules(wire.request(Request("POST", "/orders"))) == ["missing-body"]
    assert _rules(wire.request(Request("POST", "/orders", FORM, b"a=b"))) == ["undocumented-media-type"]
    assert wire.request(Request("POST", "/form", FORM, b"n=5&s=7")) == ()
    assert _rules(wire.request(Request("POST", "/form", FORM, b"n=five"))) == ["body-schema"]
    assert wire.request(Request("POST", "/form")) == ()


def test_text_bodies_are_read_as_what_the_schema_means(wire: Conformance) -> None:
    request = Request("POST", "/form", FORM, b"n=1")
    assert wire.answer(request, Response(200, (("Content-Type", "text/plain"),), b"42")) == ()
    assert _rules(wire.answer(request, Response(200, (("Content-Type", "text/plain"),), b"x"))) == ["body-schema"]


EVENT = "{type: object, required: [id], properties: {id: {type: integer}, note: {type: string}}}"
LOOSE = "{type: object, properties: {id: {type: integer}}}"
ENVELOPE = "{type: object, required: [event, data], properties: {event: {enum: [moved]}, data: {type: string}}}"


@pytest.mark.parametrize(
    ("schema", "body", "pointers"),
    [
        (EVENT, 'data: {"id": 1}\n\ndata: {"id": 2}\n\n', []),
        (EVENT, 'data: {"id": 1}\r\n\r\n: ping\r\n\r\ndata: [DONE]\r\n\r\n', []),
        (EVENT, 'data: {"id": 1}\n\ndata: {"id": "cut o', []),
        (EVENT, "", []),
        (EVENT, 'data: {"id": 1}\n\ndata: {"id": "2"}\n\n', ["/body/1/id"]),
        (EVENT, 'data: {"key": 1}\n\ndata: [DONE]\n\n', ["/body/0"]),
        (EVENT, "data: moved\n\ndata: gone\n\n", ["/body/0"]),
        (LOOSE, 'data: {"id": 1}\n\ndata: {}\n\n', []),
        (LOOSE, 'data: {"id": "1"}\n\n', ["/body/0/id"]),
        (f"{{type: array, items: {EVENT}}}", 'data: {"id": 1}\n\n', []),
        (f"{{type: array, items: {EVENT}}}", 'data: {"id": "1"}\n\n', ["/body/0"]),
        ("{type: string}", "data: moved\n\n", []),
        (ENVELOPE, "event: moved\ndata: it\n\n", []),
        (ENVELOPE, 'event: moved\ndata: {"id": 1}\n\n', []),
        (ENVELOPE, "event: gone\ndata: it\n\n", ["/body/0"]),
    ],
)
def test_event_streams_are_read_as_what_the_schema_means(
    tmp_path: Path, schema: str, body: str, pointers: list[str]
) -> None:
    file = tmp_path / "1.yaml"
    file.write_text(
        "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n  /moves:\n    get:\n      operationId: moves\n"
        f"      responses: {{'200': {{description: ok, content: {{text/event-stream: {{schema: {schema}}}}}}}}}\n"
    )
    stream = Response(200, (("Content-Type", "text/event-stream; charset=utf-8"),), body.encode())
    found = Conformance(load(file)).answer(Request("GET", "/moves"), stream)
    assert [(item.rule, item.pointer) for item in found] == [("body-schema", pointer) for pointer in pointers]


@given(
    st.binary(max_size=60),
    st.sampled_from(
        ["application/json", "text/event-stream", "text/plain", "", "gzip", "application/x-www-form-urlencoded"]
    ),
)
def test_no_body_makes_it_raise(wire: Conformance, body: bytes, kind: str) -> None:
    headers: Headers = (
        (*TAKEN, ("Content-Encoding", "gzip")) if kind == "gzip" else (("Content-Type", kind), ("Location", "/"))
    )
    assert isinstance(wire.answer(PLACE, Response(202, headers, body)), tuple)
    assert isinstance(wire.request(Request("POST", "/form", headers, body)), tuple)


def test_deep_bodies_and_huge_numbers_are_only_values(wire: Conformance) -> None:
    for body in (b"[" * 100_000, b'{"item": "x", "n": 1' + b"0" * 400 + b"}", b'{"item": NaN}'):
        assert isinstance(wire.answer(PLACE, Response(202, TAKEN, body)), tuple)


def test_equal_schemas_are_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    answers = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
    paths = {f"/p{i}": {"get": {"responses": answers}} for i in range(5)}
    path = tmp_path / "many.json"
    path.write_text(json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}))
    compiled: list[Any] = []

    def counting(document: Any) -> Any:
        compiled.append(document)
        return compile_schema(document)

    monkeypatch.setattr(conform, "compile_schema", counting)
    wire = Conformance(load(path))
    for i in range(5):
        assert wire.answer(Request("GET", f"/p{i}"), Response(200, JSON, b'{"a": "b"}')) == ()
        assert wire.answer(Request("GET", f"/p{i}"), Response(200, JSON, b'{"a": 1}')) != ()
    assert len(compiled) == 1


def _contract(tmp_path: Path, whole: dict[str, object]) -> Conformance:
    path = tmp_path / "events.json"
    path.write_text(json.dumps(whole))
    return Conformance(load(path))


def test_events_are_read_by_any_message_of_their_channel(tmp_path: Path) -> None:
    kinds = [{"name": kind, "payload": {"type": "object", "required": [kind]}} for kind in ("placed", "cancelled")]
    channels = {"orders": {"subscribe": {"message": {"oneOf": kinds}}}}
    wire = _contract(tmp_path, {"asyncapi": "2.6.0", "info": {"title": "t", "version": "1"}, "channels": channels})
    assert wire.event("orders", b'{"placed": 1}') == () == wire.event("orders", b'{"cancelled": 1}')
    assert _rules(wire.event("orders", b"{}")) == ["body-schema"]
    assert _rules(wire.event("orders", b"{")) == ["unreadable-body"]
    assert _rules(wire.event("payments", b"{}")) == [UNDOCUMENTED_OPERATION]


def test_stored_documents(tmp_path: Path) -> None:
    wire = _contract(tmp_path, {"type": "object", "properties": {"n": {"type": "integer"}}})
    assert wire.stored({"n": 1}) == ()
    (found,) = wire.stored({"n": "x"})
    assert (found.rule, found.pointer) == ("document-schema", "/document/n")
