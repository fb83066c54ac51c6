"""`payments`: charges once per Idempotency-Key, by way of the payment service provider.

Environment: DATABASE_URL, PSP_URL, HOST. Run as `python -m shop.payments --release 1.2 --port 8080`.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop import schema
from shop.releases import PAYMENTS, PaymentsRelease
from shop.store import Store, open_store, patiently
from shop.web import Problem, application, cents, idempotency_key, json_object, main, text

PSP_SECONDS = 3.0
LEASE_SECONDS = PSP_SECONDS + 1.0  # a claim outlives the call it is for; a killed replica's runs out
PATIENCE_SECONDS = 1.0
POLL_SECONDS = 0.02


class Payments:
    """The service of one release. `psp` is a client whose base address is the provider's."""

    def __init__(self, release: PaymentsRelease, store: Store, psp: httpx.Client) -> None:
        self._release = release
        self._store = store
        self._psp = psp
        self._columns = "id, reference, order_id, amount_cents, status, psp_id, lease_until"
        if release.captured_at:
            self._columns += ", captured_at"

    async def post_charge(self, request: Request) -> Response:
        key = idempotency_key(request)
        body = await json_object(request)
        wanted = {"reference": text(body, "reference"), "order": text(body, "order")}
        amount = cents(body, "amount_cents")
        trace = request.headers.get("traceparent")
        charge = await run_in_threadpool(self.charge, key, wanted["reference"], wanted["order"], amount, trace)
        return JSONResponse(charge, 201, headers={"Location": f"/charges/{charge['id']}"})

    async def get_charge(self, request: Request) -> Response:
        rows = await run_in_threadpool(self._read, "id", request.path_params["id"])
        if not rows:
            raise Problem(404, "there is no such charge")
        return JSONResponse(self._answer(rows))

    def charge(self, key: str, reference: str, order: str, amount: int, trace: str | None) -> dict[str, Any]:
        """The charge of this key: made now, or found. Raises Problem while another request is making it."""
        stored = self._release.stored_key(key)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            if self._claim_new(stored, reference, order, amount):
                break
            row = self._read("idempotency_key", stored)
            if (row["reference"], row["order_id"], row["amount_cents"]) != (reference, order, amount):
                raise Problem(422, "this Idempotency-Key was used for another charge")
            if row["status"] == "captured":
                return self._answer(row)
            if row["status"] == "declined":
                raise Problem(402, "the payment was declined")
            if self._claim_left(row):
                break
            if time.monotonic() > deadline:
                raise Problem(409, "this charge is being made", {"Retry-After": "1"})
            time.sleep(POLL_SECONDS)
        return self._capture(self._read("idempotency_key", stored), trace)

    def _claim_new(self, stored: str, reference: str, order: str, amount: int) -> bool:
        rows = self._store.read(
            "INSERT INTO charges (id, idempotency_key, reference, order_id, amount_cents, status, lease_until)"
            " VALUES (?, ?, ?, ?, ?, 'in_progress', ?) ON CONFLICT (idempotency_key) DO NOTHING RETURNING id",
            (str(uuid.uuid4()), stored, reference, order, amount, time.time() + LEASE_SECONDS),
        )
        return bool(rows)

    def _claim_left(self, row: dict[str, Any]) -> bool:
        """Take over a charge whose maker did not finish in time; of several that try, one succeeds."""
        now = time.time()
        if row["lease_until"] > now:
            return False
        rows = self._store.read(
            "UPDATE charges SET lease_until = ?"
            " WHERE id = ? AND status = 'in_progress' AND lease_until = ? RETURNING id",
            (now + LEASE_SECONDS, row["id"], row["lease_until"]),
        )
        return bool(rows)

    def _capture(self, row: dict[str, Any], trace: str | None) -> dict[str, Any]:
        headers = {"Idempotency-Key": row["id"], **({"traceparent": trace} if trace else {})}
        body = {"reference": row["reference"], "amount_cents": row["amount_cents"]}
        try:
            answer = self._psp.post("/charge", json=body, headers=headers)
            if answer.status_code == 402:
                self._finish(row["id"], "declined", None)
                raise Problem(402, "the payment was declined")
            answer.raise_for_status()
            psp_id = str(answer.json()["id"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            # Perhaps it happened: the charge stays open, and whoever tries next repeats it under the same id.
            self._store.read("UPDATE charges SET lease_until = 0 WHERE id = ? RETURNING id", (row["id"],))
            raise Problem(503, "the payment provider did not answer", {"Retry-After": "1"}) from None
        return self._answer(self._finish(row["id"], "captured", psp_id))

    def _finish(self, charge: str, status: str, psp_id: str | None) -> dict[str, Any]:
        values: list[object] = [status, psp_id]
        also = ""
        if self._release.captured_at and status == "captured":
            also = ", captured_at = ?"
            values.append(datetime.now(UTC).isoformat(timespec="milliseconds"))
        self._store.read(
            f"UPDATE charges SET status = ?, psp_id = ?{also} WHERE id = ? AND status = 'in_progress' RETURNING id",
            (*values, charge),
        )
        return self._read("id", charge)

    def _read(self, column: str, value: str) -> dict[str, Any]:
        rows = self._store.read(f"SELECT {self._columns} FROM charges WHERE {column} = ?", (value,))
        names = self._columns.split(", ")
        return dict(zip(names, rows[0], strict=True)) if rows else {}

    def _answer(self, row: dict[str, Any]) -> dict[str, Any]:
        answer = {
            "id": row["id"],
            "reference": row["reference"],
            "order": row["order_id"],
            "amount_cents": row["amount_cents"],
            "status": row["status"],
        }
        if self._release.captured_at:
            answer["captured_at"] = row["captured_at"]
        return answer


def build(release: str) -> Starlette:
    chosen = PAYMENTS[release]
    store = patiently(lambda: open_store(os.environ["DATABASE_URL"]))
    patiently(lambda: schema.create_charges(store, chosen.captured_at))
    psp = httpx.Client(base_url=os.environ["PSP_URL"], timeout=PSP_SECONDS, trust_env=False)
    payments = Payments(chosen, store, psp)
    routes = [
        Route("/charges", payments.post_charge, methods=["POST"]),
        Route("/charges/{id}", payments.get_charge, methods=["GET"]),
    ]
    return application(store, "payments", release, routes, nullcontext())


if __name__ == "__main__":
    main("payments", PAYMENTS, build)
