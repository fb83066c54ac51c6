"""Every release answers as its OpenAPI document says, to requests generated from that document."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.shop.harness import Psp, Replica, Shop

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
RELEASES = [("orders", release) for release in ("1.4", "1.5", "2.0", "2.1", "2.2", "2.3", "2.4")]
RELEASES += [("payments", release) for release in ("1.2", "1.3", "1.4")]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("service", "release"), RELEASES)
def test_answers_conform(shop: Shop, psp: Psp, service: str, release: str) -> None:
    payments, orders = shop.start([release if service == "payments" else "1.2"], [release] * (service == "orders"))
    (replica,) = orders or payments
    document = schemathesis.openapi.from_path(CONTRACTS / service / f"{release}.yaml")
    operations = [found.ok() for found in document.get_all_operations()]
    tried = [_generate(operation, replica) for operation in operations]
    assert len(tried) == {"orders": 6, "payments": 3}[service] and min(tried) > 0
    used = _use_orders(document, replica) if service == "orders" else _use_payments(document, replica)
    assert used == len(tried) - 1, "every operation but the health check, with a successful answer"


def _generate(operation: schemathesis.schemas.APIOperation, replica: Replica) -> int:  # type: ignore[type-arg]
    """Send generated requests of one operation; the number of those sent."""
    sent = 0

    @settings(max_examples=8, database=None, deadline=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy())
    def send(case: schemathesis.Case[Any]) -> None:
        nonlocal sent
        case.call_and_validate(base_url=replica.url, checks=CHECKS)
        sent += 1

    send()
    return sent


class _Client:
    """Sends requests and holds each answer, which must be a success, against the document."""

    def __init__(self, document: schemathesis.schemas.BaseSchema, replica: Replica) -> None:
        self._document = document
        self._replica = replica
        self.used: set[tuple[str, str]] = set()

    def send(self, method: str, template: str, path: str, body: object = None, key: str = "") -> dict[str, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        answer = requests.request(method, self._replica.url + path, json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        self._document[template][method].validate_response(answer)
        self.used.add((template, method))
        value: dict[str, Any] = answer.json()
        return value


def _use_orders(document: schemathesis.schemas.BaseSchema, replica: Replica) -> int:
    client = _Client(document, replica)
    order = {"reference": "r", "customer": "c", "item": "tea", "amount_cents": 1}
    placed = client.send("POST", "/orders", "/orders", order, key="k")
    deadline = time.monotonic() + 20
    while client.send("GET", "/operations/{id}", placed["operation"])["status"] != "succeeded":
        assert time.monotonic() < deadline, "the order is never paid"
    path = f"/orders/{placed['id']}"
    client.send("PUT", "/orders/{id}/note", f"{path}/note", {"note": "n"})
    client.send("GET", "/orders/{id}", path)
    client.send("GET", "/orders", "/orders?customer=c")
    return len(client.used)


def _use_payments(document: schemathesis.schemas.BaseSchema, replica: Replica) -> int:
    client = _Client(document, replica)
    charge = {"reference": "r", "order": "o", "amount_cents": 1}
    made = client.send("POST", "/charges", "/charges", charge, key="k")
    client.send("GET", "/charges/{id}", f"/charges/{made['id']}")
    return len(client.used)
