"""What differs between the releases of the shop. Everything else is one code base.

Each release is right on its own. The comments say what its change meets when the release before still runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any
SUPPORTED_CURRENCY = "EUR"


def _plain(key: str) -> str:
    return key


def _digest(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def _flat_document(item: str, amount_cents: int) -> dict[str, Json]:
    return {"item": item, "amount_cents": amount_cents}


def money_document(item: str, amount_cents: int) -> dict[str, Json]:
    return {"item": item, "amount": {"value": amount_cents, "currency": SUPPORTED_CURRENCY}}


def _flat_amount(document: Mapping[str, Json]) -> int:
    return int(document["amount_cents"])


def _money_amount(document: Mapping[str, Json]) -> int:
    return int(document["amount"]["value"])


def _any_amount(document: Mapping[str, Json]) -> int:
    return _money_amount(document) if "amount" in document else _flat_amount(document)


def _charges_payload(reference: str, amount_cents: int) -> dict[str, Json]:
    return {"charges": [{"reference": reference, "amount_cents": amount_cents}]}


def _tasks_payload(reference: str, amount_cents: int) -> dict[str, Json]:
    return {"tasks": [{"do": "charge", "with": {"reference": reference, "amount_cents": amount_cents}}]}


def _charges(payload: Mapping[str, Json]) -> Iterable[Mapping[str, Json]]:
    return list(payload.get("charges", ()))


def _charges_and_tasks(payload: Mapping[str, Json]) -> Iterable[Mapping[str, Json]]:
    return [*_charges(payload), *(task["with"] for task in payload.get("tasks", ()) if task["do"] == "charge")]


@dataclass(frozen=True, slots=True)
class OrdersRelease:
    """One release of orders. `stored_key` is how an Idempotency-Key is kept; the rest writes and reads rows."""

    version: str
    channel: bool = False  # the column and the field; also the status `paying` while a charge is under way
    rewrites: bool = False  # its migration gives the amounts of all orders a currency
    stored_key: Callable[[str], str] = _plain
    document: Callable[[str, int], dict[str, Json]] = _flat_document
    amount: Callable[[Mapping[str, Json]], int] = _flat_amount
    payload: Callable[[str, int], dict[str, Json]] = _charges_payload
    charges: Callable[[Mapping[str, Json]], Iterable[Mapping[str, Json]]] = _charges


@dataclass(frozen=True, slots=True)
class PaymentsRelease:
    """One release of payments."""

    version: str
    captured_at: bool = False
    stored_key: Callable[[str], str] = _plain


ORDERS = {
    release.version: release
    for release in (
        OrdersRelease("1.4"),
        # Safe: a field, a status and a column that 1.4 neither reads nor needs.
        OrdersRelease("2.0", channel=True),
        # Unsafe: keys are kept as digests, so neither release finds the key that the other has seen.
        OrdersRelease("2.1", stored_key=_digest),
        # Safe: reads amounts with a currency, too, and writes what 1.4 writes. After it 2.2 is safe.
        OrdersRelease("1.5", amount=_any_amount),
        # Unsafe: amounts get a currency; 2.2 reads both kinds of row, 1.4 only its own.
        OrdersRelease("2.2", document=money_document, amount=_any_amount),
        # Safe after 2.2, and unsafe to roll back: undoing its migration puts the orders from before it back.
        OrdersRelease("2.4", rewrites=True, document=money_document, amount=_money_amount),
        # Unsafe: background work is handed over as tasks; 1.4 finds no charge in them and calls the job done.
        OrdersRelease("2.3", payload=_tasks_payload, charges=_charges_and_tasks),
    )
}
PAYMENTS = {
    release.version: release
    for release in (
        PaymentsRelease("1.2"),
        # Safe: a field and a column that may be empty.
        PaymentsRelease("1.3", captured_at=True),
        # Unsafe: keys are kept as digests, so a retry that reaches the other release charges again.
        PaymentsRelease("1.4", captured_at=True, stored_key=_digest),
    )
}
