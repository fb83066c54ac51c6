"""Partners: third parties outside the rollout, played by the verifier. They answer, count and can be late.

A partner answers as its contract says: the first success answer's example, else a smallest value of its schema.
A write is an effect; where the partner declares an idempotency key, a repeated key is answered as before and
counted as suppressed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from verifier.contracts.model import ContractOperation, Schema
from verifier.contracts.promises import Promises
from verifier.contracts.samples import Impossible, smallest
from verifier.contracts.shapes import defs_of
from verifier.history.message import Request, Response
from verifier.history.outcome import SAFE


@dataclass(frozen=True, slots=True)
class PartnerAnswer:
    name: str
    response: Response
    effect: Literal["", "applied", "suppressed"]


@dataclass(slots=True)
class PartnerDesk:
    """The memory of all partners for one path: which keys were seen, and what was answered."""

    promises: Promises
    seen: dict[tuple[str, str, str], Response] = field(default_factory=dict)
    count: int = 0

    def answer(self, partner: str, request: Request) -> PartnerAnswer:
        operation = self.promises.operation(partner, "", request.method, request.path)
        name = operation.id if operation else f"{request.method} {request.path}"
        declared = self.promises.guarantees(partner, "", name)
        key = None
        if declared is not None and declared.idempotent is not None:
            template = operation.path if operation else ""
            key = declared.idempotent.key.value(request, None, template)
        if key is not None and (partner, name, key) in self.seen:
            return PartnerAnswer(name, self.seen[partner, name, key], "suppressed")
        self.count += 1
        response = success_answer(operation, self.count)
        if key is not None:
            self.seen[partner, name, key] = response
        return PartnerAnswer(name, response, "" if request.method in SAFE else "applied")


def success_answer(operation: ContractOperation | None, number: int) -> Response:
    """The first declared 2xx answer; text fields named id are made unique by `number`."""
    if operation is None:
        return Response(200, (("content-type", "application/json"),), b"{}")
    answer = next((item for item in operation.answers if item.status.startswith("2")), None)
    if answer is None:
        return Response(204)
    status = int(answer.status) if answer.status.isdecimal() else 200
    media = next((item for item in answer.media if item.is_json), None)
    if media is None or media.schema is None:
        return Response(status)
    body = sample(media.schema)
    return Response(status, (("content-type", media.type),), json.dumps(_unique(body, number)).encode())


def sample(schema: Schema) -> Any:
    """The declared example of a schema, else a small value of it; None where none could be built."""
    document = schema.document
    if isinstance(document, bool):
        return None
    if "example" in document:
        return document["example"]
    if document.get("examples"):
        return document["examples"][0]
    try:
        return smallest(document, defs_of(document))
    except Impossible:
        return None


def _unique(body: Any, number: int) -> Any:
    if isinstance(body, dict):
        return {
            name: f"{value}-{number}" if name == "id" and isinstance(value, str) else _unique(value, number)
            for name, value in body.items()
        }
    if isinstance(body, list):
        return [_unique(item, number) for item in body]
    return body
