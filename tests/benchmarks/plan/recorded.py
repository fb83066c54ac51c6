"""A recording of one long session of a shop's client, made up from a seed, and a matrix that replays it.

The client signs in once. It then places orders (the service answers each with an identifier), reads them, changes
them, pays them (accepted work, read until it is done), and lists what it has placed, a page at a time.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

BEGAN = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
PAGE = 10  # orders on a page of a list
ITEMS = ("green tea", "black tea", "coffee", "cocoa", "biscuits", "honey", "a small pot", "a large pot")
Entry = dict[str, Any]

MATRIX = """\
matrix: long-session
services:
  orders:
    port: 8080
    replicas: 2
    environment: {PAYMENTS_URL: "http://payments:8080"}
    versions: {"1.4": {command: [orders, "1.4"]}, "2.0": {command: [orders, "2.0"]}}
  payments:
    port: 8080
    versions: {"1.2": {command: [payments, "1.2"]}, "1.3": {command: [payments, "1.3"]}}
rollout: {strategy: rolling, order: [payments, orders], rollback: every-state}
traffic: [{recording: long.har, service: orders}]
faults: all
budget: 5m
"""


class _Client:
    """Yields the entries of one session without end. Equal seeds give equal entries."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.now = BEGAN
        self.orders: list[Entry] = []
        self.token = f"{self.draw.getrandbits(160):040x}"

    def entries(self) -> Iterator[Entry]:
        login = {"user": "anna@example.org", "password": "redacted-0badcafe"}
        yield self._entry("POST", "/login", 200, {"token": self.token, "user": 4711}, login, signed_in=False)
        while True:
            order = self._order()
            yield self._entry(
                "POST", "/orders", 201, order, {key: order[key] for key in ("reference", "item", "cents")}
            )
            yield self._entry("GET", f"/orders/{order['id']}", 200, order)
            if self.draw.random() < 0.5:
                yield from self._paid(order)
            if self.draw.random() < 0.4:
                order["cents"] += 50
                yield self._entry("PATCH", f"/orders/{order['id']}", 200, order, {"cents": order["cents"]})
            if self.draw.random() < 0.6:
                page = self.draw.randrange(-(-len(self.orders) // PAGE)) + 1
                shown = self.orders[::-1][(page - 1) * PAGE : page * PAGE]
                body = {"page": page, "total": len(self.orders), "orders": shown}
                yield self._entry("GET", f"/orders?page={page}", 200, body)
            if self.draw.random() < 0.3:
                other = self.draw.choice(self.orders)
                yield self._entry("GET", f"/orders/{other['id']}", 200, other)

    def _order(self) -> Entry:
        order = {
            "id": self._uuid(),
            "number": 10_000 + len(self.orders),
            "reference": self._uuid(),
            "item": self.draw.choice(ITEMS),
            "cents": self.draw.randrange(100, 5000),
            "status": "open",
            "placed_at": self.now.isoformat(),
        }
        self.orders.append(order)
        return order

    def _paid(self, order: Entry) -> Iterator[Entry]:
        job = self._uuid()
        payment = {"reference": order["reference"], "cents": order["cents"]}
        accepted = {"id": job, "status": "pending"}
        yield self._entry("POST", f"/orders/{order['id']}/payments", 202, accepted, payment)
        yield self._entry("GET", f"/jobs/{job}", 200, accepted)
        yield self._entry("GET", f"/jobs/{job}", 200, {"id": job, "status": "succeeded"})
        order["status"] = "paid"

    def _uuid(self) -> str:
        return str(UUID(int=self.draw.getrandbits(128), version=4))

    def _entry(
        self, method: str, target: str, status: int, answer: Entry, body: Entry | None = None, signed_in: bool = True
    ) -> Entry:
        self.now += timedelta(milliseconds=self.draw.randrange(5, 80))
        headers = [{"name": "Host", "value": "orders:8080"}, {"name": "Accept", "value": "application/json"}]
        if signed_in:
            headers.append({"name": "Authorization", "value": f"Bearer {self.token}"})
        request: Entry = {"method": method, "url": f"http://orders:8080{target}", "headers": headers}
        if body is not None:
            headers.append({"name": "Content-Type", "value": "application/json"})
            headers.append({"name": "Idempotency-Key", "value": self._uuid()})
            request["postData"] = {"mimeType": "application/json", "text": json.dumps(body)}
        text = json.dumps(answer)
        return {
            "startedDateTime": self.now.isoformat(),
            "time": 3.0,
            "_session": "long",
            "request": request,
            "response": {
                "status": status,
                "headers": [{"name": "Content-Type", "value": "application/json"}],
                "content": {"mimeType": "application/json", "size": len(text), "text": text},
            },
        }


def write(folder: Path, entries: int, seed: int = 0) -> Path:
    """Write a recording of that many entries and a matrix for it; the matrix's path."""
    found = [entry for entry, _ in zip(_Client(seed).entries(), range(entries), strict=False)]
    document = {"log": {"version": "1.2", "creator": {"name": "benchmark", "version": "1"}, "entries": found}}
    (folder / "long.har").write_text(json.dumps(document), encoding="utf-8")
    matrix = folder / "long-session.yaml"
    matrix.write_text(MATRIX, encoding="utf-8")
    return matrix
