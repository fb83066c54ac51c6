"""Tables, and the changes between releases. Every function may run in several processes at once, and again."""

from __future__ import annotations

import json

from shop.releases import money_document
from shop.store import Session, Store

# Any number, the same in every process: CREATE TABLE IF NOT EXISTS alone can collide in PostgreSQL's catalogue.
SCHEMA_LOCK = 728_401

ORDERS = """CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY,
    idempotency_key TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    reference TEXT NOT NULL,
    customer TEXT NOT NULL,
    document TEXT NOT NULL,
    status TEXT NOT NULL,
    note TEXT,
    created_at TEXT NOT NULL
)"""
ORDERS_BY_CUSTOMER = "CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer, created_at)"
JOBS = """CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL UNIQUE,
    payload TEXT NOT NULL,
    status TEXT NOT NULL,
    lease_until DOUBLE PRECISION NOT NULL,
    lease_owner TEXT,
    attempts INTEGER NOT NULL,
    traceparent TEXT
)"""
JOBS_OPEN = "CREATE INDEX IF NOT EXISTS jobs_open ON jobs (lease_until) WHERE status IN ('pending', 'running')"
CHARGES = """CREATE TABLE IF NOT EXISTS charges (
    id TEXT PRIMARY KEY,
    idempotency_key TEXT NOT NULL UNIQUE,
    reference TEXT NOT NULL,
    order_id TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    status TEXT NOT NULL,
    lease_until DOUBLE PRECISION NOT NULL,
    psp_id TEXT
)"""


def create_orders(store: Store, channel: bool) -> None:
    """The tables of orders, where they are missing; an existing table is left to the migrations."""
    with store.transaction() as session:
        _lock(session)
        fresh = not _columns(session, "orders")
        for statement in (ORDERS, ORDERS_BY_CUSTOMER, JOBS, JOBS_OPEN):
            session.run(statement)
        if fresh and channel:
            session.run("ALTER TABLE orders ADD COLUMN channel TEXT")


def create_charges(store: Store, captured_at: bool) -> None:
    """The table of payments. A release that knows `captured_at` adds the column itself: it may be empty."""
    with store.transaction() as session:
        _lock(session)
        session.run(CHARGES)
        if captured_at and "captured_at" not in _columns(session, "charges"):
            session.run("ALTER TABLE charges ADD COLUMN captured_at TEXT")


def expand(store: Store) -> None:
    """Add what orders 2.0 needs, in a way that 1.4 does not notice: a column that may be empty."""
    create_orders(store, channel=True)
    with store.transaction() as session:
        _lock(session)
        if "channel" not in _columns(session, "orders"):
            session.run("ALTER TABLE orders ADD COLUMN channel TEXT")


def contract(store: Store) -> None:
    """Settle 2.0's column once no 1.4 writes any more: orders from before came through the web."""
    with store.transaction() as session:
        _lock(session)
        session.run("UPDATE orders SET channel = 'web' WHERE channel IS NULL")
        session.run("CREATE INDEX IF NOT EXISTS orders_by_channel ON orders (channel)")


def undo(store: Store) -> None:
    """Take 2.0's column away again, once no 2.0 runs any more."""
    with store.transaction() as session:
        _lock(session)
        session.run("DROP INDEX IF EXISTS orders_by_channel")
        if "channel" in _columns(session, "orders"):
            session.run("ALTER TABLE orders DROP COLUMN channel")


def rewrite(store: Store) -> None:
    """Give every amount a currency, as 2.2 and 2.4 keep it. A copy of the orders is kept."""
    create_orders(store, channel=False)
    with store.transaction() as session:
        _lock(session)
        session.run("DROP TABLE IF EXISTS orders_before")
        session.run("CREATE TABLE orders_before AS SELECT * FROM orders")
        for order, text in session.run("SELECT id, document FROM orders").fetchall():
            document = json.loads(text)
            if "amount_cents" in document:
                rewritten = money_document(document["item"], document["amount_cents"])
                session.run("UPDATE orders SET document = ? WHERE id = ?", (json.dumps(rewritten), order))


def forget(store: Store) -> None:
    """Drop the copy once no release before 2.4 runs any more."""
    with store.transaction() as session:
        _lock(session)
        session.run("DROP TABLE IF EXISTS orders_before")


def put_back(store: Store) -> None:
    """Put the copy back. What was ordered since is lost: this is what makes 2.4 unsafe to roll back."""
    with store.transaction() as session:
        _lock(session)
        session.run("DELETE FROM orders")
        session.run("INSERT INTO orders SELECT * FROM orders_before")


def has_channel(store: Store) -> bool:
    with store.transaction(write=False) as session:
        return "channel" in _columns(session, "orders")


def _lock(session: Session) -> None:
    if session.postgres:
        session.run("SELECT pg_advisory_xact_lock(?)", (SCHEMA_LOCK,))


def _columns(session: Session, table: str) -> set[str]:
    if session.postgres:
        rows = session.run(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = ?",
            (table,),
        ).fetchall()
        return {row[0] for row in rows}
    return {row[1] for row in session.run(f"PRAGMA table_info({table})").fetchall()}
