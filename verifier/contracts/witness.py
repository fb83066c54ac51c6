"""From a witness of a comparison to a request: what the writer may send and the reader refuses, ready to be sent."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from verifier.contracts.model import ContractOperation, Schema
from verifier.contracts.samples import Impossible, smallest
from verifier.contracts.shapes import defs_of
from verifier.history.message import Request

_VARIABLE = re.compile(r"\{([^{}]*)\}")


def sample(schema: Schema | None) -> Any:
    """The declared example of a schema, else a small value of it; None where none could be built."""
    if schema is None or isinstance(schema.document, bool):
        return None
    document = schema.document
    if "example" in document:
        return document["example"]
    if document.get("examples"):
        return document["examples"][0]
    try:
        return smallest(document, defs_of(document))
    except Impossible:
        return None


def witness_request(operation: ContractOperation, part: str, media: str, witness: Any) -> Request | None:
    """A request of the operation whose `part` ("body", "query limit", "header X-Y", "path id") is the witness.

    Everything else is the smallest that the operation's own contract allows. None for parts that no request has.
    """
    kind, _, name = part.partition(" ")
    if kind not in ("body", "query", "header", "path", "cookie"):
        return None
    values = {
        (item.place, item.name): witness if (kind, name) == (item.place, item.name) else sample(item.schema)
        for item in operation.parameters
        if item.required or (kind, name) == (item.place, item.name)
    }
    headers = [(item, _text(value)) for (place, item), value in values.items() if place == "header"]
    cookies = "; ".join(f"{item}={_text(value)}" for (place, item), value in values.items() if place == "cookie")
    if cookies:
        headers.append(("Cookie", cookies))
    body, content_type = _body(operation, kind, media, witness)
    if content_type:
        headers.append(("Content-Type", content_type))
    return Request(operation.method.upper(), _target(operation, values), tuple(headers), body)


def _target(operation: ContractOperation, values: dict[tuple[Any, str], Any]) -> str:
    def fill(found: re.Match[str]) -> str:
        return quote(_text(values.get(("path", found.group(1)), "1")) or "1", safe="")

    path = _VARIABLE.sub(fill, operation.path)
    pairs: list[tuple[str, str]] = []
    for (place, name), value in values.items():
        if place == "query":
            pairs += [(name, _text(item)) for item in (value if isinstance(value, list) else [value])]
    return path + (f"?{urlencode(pairs)}" if pairs else "")


def _body(operation: ContractOperation, kind: str, media: str, witness: Any) -> tuple[bytes, str]:
    if operation.body is None or not operation.body.media:
        return b"", ""
    wanted = next((item for item in operation.body.media if item.type == media), operation.body.media[0])
    value = witness if kind == "body" else sample(wanted.schema)
    if kind != "body" and not operation.body.required and value is None:
        return b"", ""
    if wanted.is_json:
        return json.dumps(value).encode(), wanted.type
    if wanted.type == "application/x-www-form-urlencoded" and isinstance(value, dict):
        return urlencode({name: _text(item) for name, item in value.items()}).encode(), wanted.type
    return _text(value).encode(), wanted.type


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
