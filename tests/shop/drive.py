"""A client of the shop, as its web front end would be: `python drive.py http://127.0.0.1:8080`.

Each session is one customer with a connection of its own. `python -m tests.shop.record` runs it against orders 1.4,
through the recorder, to make the recording beside the matrices.
"""

from __future__ import annotations

import argparse
import time
import uuid
from collections.abc import Callable, Sequence

import httpx

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 20.0
NOTE = "please ring twice"


class Customer:
    """One customer's session. Every answer that is not the expected one raises."""

    def __init__(self, client: httpx.Client, name: str) -> None:
        self._client = client
        self.email = f"{name}.{uuid.uuid4().hex[:10]}@example.org"

    def place(self, item: str, cents: int, tries: int = 1) -> tuple[str, str]:
        """Places an order, the same one `tries` times under one key; returns the ids of order and operation."""
        body = {"reference": str(uuid.uuid4()), "customer": self.email, "item": item, "amount_cents": cents}
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answers = [self._client.post("/orders", json=body, headers=headers) for _ in range(tries)]
        assert all(answer.status_code == 202 for answer in answers), answers
        assert len({answer.json()["id"] for answer in answers}) == 1, "a retry made another order"
        return str(answers[0].json()["id"]), answers[0].headers["Operation-Location"]

    def wait(self, operation: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (status := self._get(operation)["status"]) in ("pending", "running"):
            assert time.monotonic() < deadline, f"{operation} is still {status}"
            time.sleep(POLL_SECONDS)
        assert status == "succeeded", f"{operation} ended as {status}"

    def read(self, order: str, note: str | None) -> None:
        found = self._get(f"/orders/{order}")
        assert found["status"] == "paid" and found["note"] == note, found

    def list(self, expected: Sequence[str]) -> None:
        answer = self._client.get("/orders", params={"customer": self.email})
        found = [order["id"] for order in answer.raise_for_status().json()["orders"]]
        assert found == list(expected), f"listed {found}, not {expected}"

    def note(self, order: str, note: str) -> None:
        self._client.put(f"/orders/{order}/note", json={"note": note}).raise_for_status()

    def _get(self, path: str) -> dict[str, str]:
        answer = self._client.get(path)
        value: dict[str, str] = answer.raise_for_status().json()
        return value


def buys_once(customer: Customer) -> None:
    order, operation = customer.place("green tea", 1250)
    customer.wait(operation)
    customer.read(order, None)
    customer.list([order])
    customer.note(order, NOTE)
    customer.read(order, NOTE)


def buys_twice(customer: Customer) -> None:
    first, operation = customer.place("teapot", 4900)
    customer.wait(operation)
    customer.note(first, "a gift")
    second, operation = customer.place("two cups", 1800)
    customer.wait(operation)
    customer.list([first, second])
    customer.read(first, "a gift")
    customer.read(second, None)


def is_impatient(customer: Customer) -> None:
    order, operation = customer.place("kettle", 3300, tries=2)
    customer.note(order, "in a hurry")
    customer.wait(operation)
    customer.read(order, "in a hurry")
    customer.list([order])


SESSIONS: tuple[tuple[str, Callable[[Customer], None]], ...] = (
    ("anna", buys_once),
    ("ben", buys_twice),
    ("chris", is_impatient),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url", help="where orders, or the recorder in front of it, listens")
    parser.add_argument("--host", help="the name by which clients address orders, where that is another one")
    options = parser.parse_args()
    for name, session in SESSIONS:
        headers = {"X-Session": str(uuid.uuid4()), **({"Host": options.host} if options.host else {})}
        with httpx.Client(base_url=options.url, headers=headers, timeout=10, trust_env=False) as client:
            session(Customer(client, name))


if __name__ == "__main__":
    main()
