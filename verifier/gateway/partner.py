"""Partners: third parties outside the rollout, simulated by the verifier. They count effects and can respond late.

A partner responds as its contract says: with the example of the first success response, else with a smallest value of
its schema. A write is an effect. Where the partner declares an idempotency key, a repeated key gets the earlier
response and is counted as suppressed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from verifier.contracts.compiled import compile_schema
from verifier.contracts.document import Documents, Location
from verifier.contracts.model import Contract, ContractOperation, Schema
from verifier.contracts.registry import ContractRegistry
from verifier.contracts.samples import Impossible, smallest
from verifier.contracts.shapes import defs_of
from verifier.errors import BadInput
from verifier.history.outcome import SAFE
from verifier.http.message import Request, Response
from verifier.pointers import MISSING


@dataclass(frozen=True, slots=True)
class PartnerResponse:
    name: str
    response: Response
    effect: Literal["", "applied", "suppressed"]


@dataclass(slots=True)
class PartnerServer:
    """All partners of one path, and the responses given for each idempotency key."""

    registry: ContractRegistry
    seen: dict[tuple[str, str, str], Response] = field(default_factory=dict)
    count: int = 0

    def respond(self, partner: str, request: Request) -> PartnerResponse:
        operation = self.registry.operation(partner, "", request.method, request.path)
        name = operation.id if operation else f"{request.method} {request.path}"
        declared = self.registry.guarantees(partner, "", name)
        key = None
        if declared is not None and declared.idempotent is not None:
            template = operation.path if operation else ""
            key = declared.idempotent.key.value(request, None, template)
        if key is not None and (partner, name, key) in self.seen:
            return PartnerResponse(name, self.seen[partner, name, key], "suppressed")
        self.count += 1
        response = success_response(self.registry.contract(partner, ""), operation, self.count)
        if key is not None:
            self.seen[partner, name, key] = response
        return PartnerResponse(name, response, "" if request.method in SAFE else "applied")


def success_response(contract: Contract | None, operation: ContractOperation | None, number: int) -> Response:
    """The first declared 2xx response. Text fields named id are made unique by `number` if the schema allows it."""
    if operation is None:
        return Response(200, (("content-type", "application/json"),), b"{}")
    declared = next((item for item in operation.answers if item.status.startswith("2")), None)
    if declared is None:
        return Response(204)
    status = int(declared.status) if declared.status.isdecimal() else 200
    media = next((item for item in declared.media if item.is_json), None)
    if media is None:
        return Response(status)
    body = declared_example(contract.file, media.pointer) if contract is not None else MISSING
    if body is MISSING:
        if media.schema is None:
            return Response(status)
        body = sample(media.schema)
    body = _with_unique_ids(body, media.schema, number)
    return Response(status, (("content-type", media.type),), json.dumps(body).encode())


@lru_cache(maxsize=1024)
def declared_example(file: str, pointer: str) -> Any:
    """The example of a body in a contract's file: at the media type itself, else at its schema.

    MISSING if there is none, or if the pointer leads into another file.
    """
    try:
        documents = Documents(Path(file))
        at = Location(documents.file, pointer.removeprefix("#"))
        media, at = documents.follow(documents.value(at, at), at)
        found = _example_in(documents, media, at)
        if found is MISSING and isinstance(media, dict) and "schema" in media:
            found = _example_in(documents, *documents.follow(media["schema"], at.down("schema")))
    except BadInput:
        return MISSING
    return found


def _example_in(documents: Documents, node: Any, at: Location) -> Any:
    if not isinstance(node, dict):
        return MISSING
    if "example" in node:
        return node["example"]
    several = node.get("examples")
    if isinstance(several, list) and several:
        return several[0]
    for name, item in several.items() if isinstance(several, dict) else ():
        item, _ = documents.follow(item, at.down("examples", name))
        if isinstance(item, dict) and "value" in item:
            return item["value"]
    return MISSING


def sample(schema: Schema) -> Any:
    """A small value of a schema; None if none could be built."""
    document = schema.document
    if isinstance(document, bool):
        return None
    try:
        return smallest(document, defs_of(document))
    except Impossible:
        return None


def _with_unique_ids(body: Any, schema: Schema | None, number: int) -> Any:
    """The body with unique ids, if it still fits the schema: first as a suffix, then as digits at the end."""
    check = compile_schema(schema.document) if schema is not None else None
    for made in (_unique(body, f"-{number}", 0), _unique(body, f"{number:012x}", 12), _unique(body, f"{number:06}", 6)):
        if check is None or check.validator.is_valid(made):
            return made
    return body


def _unique(body: Any, end: str, instead: int) -> Any:
    """Replace the last `instead` characters of each text named id by `end`."""
    if isinstance(body, dict):
        return {
            name: value[: len(value) - instead] + end
            if name == "id" and isinstance(value, str) and len(value) >= instead
            else _unique(value, end, instead)
            for name, value in body.items()
        }
    if isinstance(body, list):
        return [_unique(item, end, instead) for item in body]
    return body
