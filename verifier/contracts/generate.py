"""Generates requests from a contract: valid ones, and those that contain the witness of a comparison.

Values come from the seeded generator of schemathesis. Equal contract, seed and count give equal requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, urlencode

from verifier.contracts import samples
from verifier.contracts.closing import Closer
from verifier.contracts.conform import Conformance
from verifier.contracts.model import Contract, ContractOperation, Media, Parameter, Schema, is_json
from verifier.contracts.schemathesis_engine import generated
from verifier.contracts.shapes import defs_of, flat, reached, types
from verifier.contracts.verdicts import ContractDifference
from verifier.http.message import Headers, Request
from verifier.pointers import MISSING

# Text that is valid as a path segment, a header and a cookie. Only used if the schema demands nothing else.
_PLAIN: Final = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
_FORM: Final = "application/x-www-form-urlencoded"
_TRIES: Final = 4
Parts = dict[str, Any]


def requests(contract: Contract, operation: ContractOperation, count: int, seed: int = 0,
             headers: Headers = ()) -> tuple[Request, ...]:  # fmt: skip
    """Up to `count` different requests of an operation, smallest first. All are valid by the contract.

    `headers`, such as credentials, are added to each. There may be fewer or none if the contract permits no more or
    its values cannot be generated.
    """
    wire = Conformance(contract)
    found: dict[Request, None] = {}
    for parts in _parts(operation, count, seed):
        request = _assembled(contract, operation, parts, headers)
        if request is not None and request not in found and not wire.request(request):
            found[request] = None
            if len(found) == count:
                break
    return tuple(found)


def witness_request(
    writer: Contract, finding: ContractDifference, seed: int = 0, headers: Headers = ()
) -> Request | None:
    """The request that shows a finding of a request column, as sent by a client built for the `writer` contract.

    None for findings about responses, and for findings that no single request shows (security, skew).
    """
    operation = writer.operation(finding.operation)
    if operation is None or not finding.column.startswith("request") or finding.verdict != "breaking":
        return None
    if finding.part == "security":
        return None
    plain = next(iter(_parts(operation, 1, seed)), None)
    if plain is None:
        return None
    place = finding.part.partition(" ")[0]
    parts = {key: value for key, value in plain.items() if key != finding.part}
    if finding.witness is not MISSING and place in ("body", "path", "query", "header", "cookie"):
        parts[finding.part] = finding.witness
    elif place == "path":
        return None
    if finding.rule == "body-required":
        parts.pop("body", None)
    elif place == "body" and "body" not in parts and "body" in plain:
        parts["body"] = plain["body"]
    return _assembled(writer, operation, parts, headers, finding.media)


def _parts(operation: ContractOperation, count: int, seed: int) -> Iterator[Parts]:
    """Requests as values by part: `query limit`, `path id`, `body`. The smallest valid one comes first."""
    schema = _schema(operation)
    for wanted in (schema, {**schema, "required": sorted(schema["properties"])}):
        try:
            yield samples.smallest(wanted, schema["$defs"])
        except samples.Impossible:
            continue
    if schema["properties"]:
        yield from generated(schema, count * _TRIES, seed)


def _schema(operation: ContractOperation) -> dict[str, Any]:
    """A schema for a whole request: an object whose properties are the parts."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    defs: dict[str, Any] = {}
    for parameter in operation.parameters:
        key = f"{parameter.place} {parameter.name}"
        properties[key] = _parameter_schema(parameter, defs)
        if parameter.required:
            required.append(key)
    media = _media(operation)
    if operation.body is not None and media is not None:
        properties["body"] = _merged(media.schema, defs, "body")
        if operation.body.required:
            required.append("body")
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False,
            "$defs": defs}  # fmt: skip


def _parameter_schema(parameter: Parameter, defs: dict[str, Any]) -> Any:
    schema = parameter.schema or Schema({"type": "string"}, parameter.pointer)
    shape = flat(schema.document, defs_of(schema.document))
    if (
        isinstance(shape, dict)
        and not {"pattern", "format", "enum", "also"} & set(shape)
        and types(shape) == {"string"}
    ):
        return {"pattern": _PLAIN, **shape}
    return _merged(schema, defs, f"{parameter.place} {parameter.name}")


def _merged(schema: Schema | None, defs: dict[str, Any], prefix: str) -> Any:
    """The closed schema of a part. Its definitions are moved into the common ones under unique names."""
    if schema is None:
        return {"type": "object"}
    closed = Closer("request").document(schema.document)
    found = defs_of(closed)
    names = {name: f"{prefix}.{name}".replace(" ", ".") for name in sorted(reached(closed, found))}
    defs.update({names[name]: _renamed(found[name], names) for name in names})
    if not isinstance(closed, dict):
        return closed
    return _renamed({key: item for key, item in closed.items() if key != "$defs"}, names)


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _renamed(item, names) for key, item in node.items()}
    reference = made.get("$ref")
    if isinstance(reference, str) and reference.removeprefix("#/$defs/") in names:
        made["$ref"] = "#/$defs/" + names[reference.removeprefix("#/$defs/")]
    return made


def _media(operation: ContractOperation, wanted: str = "") -> Media | None:
    """The media type to send: the requested one, else JSON, else a form, else text."""
    declared = operation.body.media if operation.body else ()
    fitting: tuple[Callable[[str], bool], ...] = (
        lambda name: name == wanted,
        is_json,
        lambda name: name == _FORM,
        lambda name: name.startswith("text/") and "*" not in name,
    )
    for fits in fitting:
        found = next((item for item in declared if fits(item.type)), None)
        if found is not None:
            return found
    return None


def _assembled(contract: Contract, operation: ContractOperation, parts: Parts, headers: Headers,
               media: str = "") -> Request | None:  # fmt: skip
    """The request of these parts; None if a value cannot be sent, such as an empty path segment."""
    path, query, sent = operation.path, [], list(headers)
    cookies = []
    for parameter in operation.parameters:
        key = f"{parameter.place} {parameter.name}"
        if key not in parts:
            continue
        value = parts[key]
        if parameter.place == "query":
            query.extend(_query(parameter, value))
            continue
        text = _text(parameter, value)
        if parameter.place == "path":
            path = path.replace("{" + parameter.name + "}", quote(text, safe=""))
        elif not text.isprintable() or text != text.strip() or not text.isascii():
            return None
        elif parameter.place == "header":
            sent.append((parameter.name, text))
        else:
            cookies.append(f"{parameter.name}={quote(text)}")
    if "{" in path or "//" in path or (path != "/" and path.endswith("/") and not operation.path.endswith("/")):
        return None
    if cookies:
        sent.append(("Cookie", "; ".join(cookies)))
    body = b""
    if "body" in parts:
        chosen = _media(operation, media)
        body = _body(chosen.type, parts["body"]) if chosen else b""
        sent.append(("Content-Type", chosen.type if chosen else "application/octet-stream"))
    target = (contract.bases[0] if contract.bases else "") + path
    return Request(operation.method, target + (f"?{urlencode(query)}" if query else ""), tuple(sent), body)


def _body(media: str, value: Any) -> bytes:
    if is_json(media):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if media == _FORM and isinstance(value, dict):
        fields = [(name, _scalar(item)) for name, items in value.items()
                  for item in (items if isinstance(items, list) else [items])]  # fmt: skip
        return urlencode(fields).encode()
    return _scalar(value).encode("utf-8", "replace")


def _query(parameter: Parameter, value: Any) -> list[tuple[str, str]]:
    if parameter.media:
        return [(parameter.name, json.dumps(value))]
    if isinstance(value, list) and parameter.explode:
        return [(parameter.name, _scalar(item)) for item in value]
    if isinstance(value, dict) and parameter.style == "deepObject":
        return [(f"{parameter.name}[{name}]", _scalar(item)) for name, item in value.items()]
    if isinstance(value, dict) and parameter.explode:
        return [(name, _scalar(item)) for name, item in value.items()]
    return [(parameter.name, _text(parameter, value))]


def _text(parameter: Parameter, value: Any) -> str:
    """A value as text (OpenAPI 3.1, Style Values): lists and mappings are joined, scalars are unchanged."""
    if parameter.media:
        return json.dumps(value)
    joint = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}.get(parameter.style, ",")
    if isinstance(value, list):
        return joint.join(_scalar(item) for item in value)
    if isinstance(value, dict):
        between = "=" if parameter.explode else ","
        return joint.join(f"{name}{between}{_scalar(item)}" for name, item in value.items())
    return _scalar(value)


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
