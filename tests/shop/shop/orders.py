"""`orders`: takes orders, answers at once, and completes them in the background by charging for them.

Environment: DATABASE_URL, PAYMENTS_URL, HOST. Run as `python -m shop.orders --release 1.4 --port 8080`.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop import schema
from shop.releases import ORDERS, OrdersRelease
from shop.store import Store, open_store, patiently
from shop.web import Problem, application, idempotency_key, json_object, main, text
from shop.web import cents as read_cents
from shop.worker import Worker

PAYMENTS_SECONDS = 5.0  # longer than payments waits for its provider
APP = "shop-app/"  # how the shop's own application introduces itself


class Orders:
    """The service of one release."""

    def __init__(self, release: OrdersRelease, store: Store) -> None:
        self._release = release
        self._store = store
        self._columns = "id, reference, customer, document, status, note, created_at"
        if release.channel:
            self._columns += ", channel"

    async def post_order(self, request: Request) -> Response:
        key = idempotency_key(request)
        body = await json_object(request)
        order = {name: text(body, name) for name in ("reference", "customer", "item")}
        amount = read_cents(body, "amount_cents")
        channel = "app" if request.headers.get("user-agent", "").startswith(APP) else "web"
        trace = request.headers.get("traceparent")
        order_id, operation = await run_in_threadpool(self.place, key, order, amount, channel, trace)
        address = f"/operations/{operation}"
        # The answer to a retry is the first answer: what became of the order since is told by the operation.
        answer = {"id": order_id, "status": "pending", "operation": address}
        return JSONResponse(answer, 202, headers={"Operation-Location": address, "Location": f"/orders/{order_id}"})

    async def get_operation(self, request: Request) -> Response:
        sql = "SELECT id, status, order_id FROM jobs WHERE id = ?"
        rows = await run_in_threadpool(self._store.read, sql, (request.path_params["id"],))
        if not rows:
            raise Problem(404, "there is no such operation")
        return JSONResponse({"id": rows[0][0], "status": rows[0][1], "order": rows[0][2]})

    async def get_order(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.order, request.path_params["id"]))

    async def list_orders(self, request: Request) -> Response:
        customer = request.query_params.get("customer", "")
        if not customer:
            raise Problem(400, "customer must be given")
        sql = f"SELECT {self._columns} FROM orders WHERE customer = ? ORDER BY created_at, id"
        rows = await run_in_threadpool(self._store.read, sql, (customer,))
        return JSONResponse({"orders": [self._answer(row) for row in rows]})

    async def put_note(self, request: Request) -> Response:
        note = text(await json_object(request), "note")
        sql = "UPDATE orders SET note = ? WHERE id = ? RETURNING id"
        if not await run_in_threadpool(self._store.read, sql, (note, request.path_params["id"])):
            raise Problem(404, "there is no such order")
        return JSONResponse(await run_in_threadpool(self.order, request.path_params["id"]))

    def order(self, order_id: str) -> dict[str, Any]:
        rows = self._store.read(f"SELECT {self._columns} FROM orders WHERE id = ?", (order_id,))
        if not rows:
            raise Problem(404, "there is no such order")
        return self._answer(rows[0])

    def place(self, key: str, order: dict[str, str], amount: int, channel: str, trace: str | None) -> tuple[str, str]:
        """The order of this key and its operation, made in one transaction or found. Raises Problem."""
        stored = self._release.stored_key(key)
        fingerprint = hashlib.sha256(json.dumps([order, amount], sort_keys=True).encode()).hexdigest()
        order_id, operation = str(uuid.uuid4()), str(uuid.uuid4())
        values: dict[str, object] = {
            "id": order_id,
            "idempotency_key": stored,
            "fingerprint": fingerprint,
            "reference": order["reference"],
            "customer": order["customer"],
            "document": json.dumps(self._release.document(order["item"], amount)),
            "status": "placed",
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        if self._release.channel:
            values["channel"] = channel
        marks = ", ".join("?" * len(values))
        with self._store.transaction() as session:
            new = session.run(
                f"INSERT INTO orders ({', '.join(values)}) VALUES ({marks})"
                " ON CONFLICT (idempotency_key) DO NOTHING RETURNING id",
                tuple(values.values()),
            ).fetchone()
            if new:
                payload = json.dumps(self._release.payload(order["reference"], amount))
                session.run(
                    "INSERT INTO jobs (id, order_id, payload, status, lease_until, attempts, traceparent)"
                    " VALUES (?, ?, ?, 'pending', 0, 0, ?)",
                    (operation, order_id, payload, trace),
                )
                return order_id, operation
        return self._placed(stored, fingerprint)

    def _placed(self, stored: str, fingerprint: str) -> tuple[str, str]:
        sql = (
            "SELECT orders.id, jobs.id, orders.fingerprint FROM orders JOIN jobs ON jobs.order_id = orders.id"
            " WHERE orders.idempotency_key = ?"
        )
        order_id, operation, seen = self._store.read(sql, (stored,))[0]
        if seen != fingerprint:
            raise Problem(422, "this Idempotency-Key was used for another order")
        return order_id, operation

    def _answer(self, row: tuple[Any, ...]) -> dict[str, Any]:
        stored = dict(zip(self._columns.split(", "), row, strict=True))
        document = json.loads(stored["document"])
        answer = {
            "id": stored["id"],
            "reference": stored["reference"],
            "customer": stored["customer"],
            "item": document["item"],
            "amount_cents": self._release.amount(document),
            "status": stored["status"],
            "note": stored["note"],
            "created_at": stored["created_at"],
        }
        if self._release.channel:
            answer["channel"] = stored["channel"] or "web"
        return answer


def build(release: str) -> Starlette:
    chosen = ORDERS[release]
    store = patiently(lambda: open_store(os.environ["DATABASE_URL"]))
    patiently(lambda: schema.create_orders(store, chosen.channel))
    if chosen.channel and not schema.has_channel(store):
        raise SystemExit(
            f"orders {release} needs its migration first: python -m shop.migrate --release {release} expand"
        )
    orders = Orders(chosen, store)
    payments = httpx.Client(base_url=os.environ["PAYMENTS_URL"], timeout=PAYMENTS_SECONDS, trust_env=False)
    routes = [
        Route("/orders", orders.post_order, methods=["POST"]),
        Route("/orders", orders.list_orders, methods=["GET"]),
        Route("/orders/{id}", orders.get_order, methods=["GET"]),
        Route("/orders/{id}/note", orders.put_note, methods=["PUT"]),
        Route("/operations/{id}", orders.get_operation, methods=["GET"]),
    ]
    return application(store, "orders", release, routes, Worker(chosen, store, payments))


if __name__ == "__main__":
    main("orders", ORDERS, build)
