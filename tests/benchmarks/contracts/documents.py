"""Two large documents by script: many operations over shared, nested and recursive schemas, the second one evolved."""

from __future__ import annotations

from typing import Any


def documents(operations: int = 200) -> tuple[dict[str, Any], dict[str, Any]]:
    """An OpenAPI document with this many operations and its next version: every third resource has changed."""
    return _document(operations, evolved=False), _document(operations, evolved=True)


def _document(operations: int, *, evolved: bool) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Error": _error()}
    for at in range((operations + 3) // 4):
        changed = evolved and at % 3 == 0
        name = f"Resource{at}"
        schemas |= {name: _resource(name, at, changed), f"{name}Page": _page(name)}
        paths |= _paths(name, at, changed)
    return {"openapi": "3.0.3", "info": {"title": "large", "version": "2" if evolved else "1"}, "paths": paths,
            "components": {"schemas": schemas}}  # fmt: skip


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _error() -> dict[str, Any]:
    detail = {"type": "object", "properties": {"field": {"type": "string"}, "why": {"type": "string"}}}
    properties = {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "details": {"type": "array", "items": detail},
    }
    return {"type": "object", "required": ["code", "message"], "properties": properties}


def _resource(name: str, at: int, changed: bool) -> dict[str, Any]:
    states = ["open", "paid", "sent", *(["returned"] if changed else [])]
    money = {"type": "object", "required": ["amount", "currency"],
             "properties": {"amount": {"type": "integer", "minimum": 0},
                            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}}}  # fmt: skip
    properties: dict[str, Any] = {
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "state": {"type": "string", "enum": states},
        "title": {"type": "string", "minLength": 1, "maxLength": 80 if changed and at % 2 else 120},
        "price": money,
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
        "parent": _reference(name),
        "choice": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}}]},
        **{f"field{i}": {"type": "string" if i % 2 else "integer", "nullable": i % 3 == 0} for i in range(8)},
    }
    if changed:
        properties["note"] = {"type": "string"}
    return {"type": "object", "required": ["id", "state", *(["title"] if changed else [])], "properties": properties}


def _page(name: str) -> dict[str, Any]:
    items = {"type": "array", "items": _reference(name)}
    return {"type": "object", "required": ["items"], "properties": {"items": items, "next": {"type": "string"}}}


def _paths(name: str, at: int, changed: bool) -> dict[str, Any]:
    failure = {"default": {"description": "error", "content": _json(_reference("Error"))}}
    one = {"200": {"description": "ok", "content": _json(_reference(name))}, **failure}
    body = {"required": True, "content": _json(_reference(name))}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 50 if changed else 100}}
    key = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    page = {"200": {"description": "ok", "content": _json(_reference(f"{name}Page"))}, **failure}
    return {
        f"/resource{at}": {
            "get": {"operationId": f"list{name}", "parameters": [limit], "responses": page},
            "post": {"operationId": f"make{name}", "requestBody": body, "responses": one},
        },
        f"/resource{at}/{{id}}": {
            "parameters": [key],
            "get": {"operationId": f"get{name}", "responses": one},
            "put": {"operationId": f"put{name}", "requestBody": body, "responses": one},
        },
    }
