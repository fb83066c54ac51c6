"""Background work: jobs in a table that the replicas of every release share.

A job is claimed with a lease that is renewed while it is worked on, so a killed replica's job is taken over. A failed
attempt gives the lease back and any replica tries again. A job goes from pending to running to a final state, never
back; what may be repeated is the call, which carries the same key each time.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from shop.releases import OrdersRelease
from shop.store import DATABASE_ERRORS, Session, Store

POLL_SECONDS = 0.02
LEASE_SECONDS = 2.0
RENEW_SECONDS = 0.5
STOP_SECONDS = 4.0
SLOTS = 4
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
OPEN = "status IN ('pending', 'running')"
log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed job."""

    id: str
    order: str
    payload: dict[str, Any]
    attempts: int
    traceparent: str | None


class Declined(Exception):
    """The answer is final: trying again would change nothing."""


class Worker:
    """Claims jobs and completes them, from `__enter__` to `__exit__`. `payments` is a client of that service."""

    def __init__(self, release: OrdersRelease, store: Store, payments: httpx.Client) -> None:
        self._release = release
        self._store = store
        self._payments = payments
        self._owner = str(uuid.uuid4())
        self._stopping = threading.Event()
        self._idle = threading.Event()
        self._held: set[str] = set()
        self._held_changed = threading.Condition()
        self._slots = threading.Semaphore(SLOTS)
        self._pool = ThreadPoolExecutor(SLOTS, thread_name_prefix="job")
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._renewer = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Worker:
        self._watcher.start()
        self._renewer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Claim nothing more; finish what is in hand; what does not finish is left to the others."""
        self._stopping.set()
        self._watcher.join()
        with self._held_changed:
            self._held_changed.wait_for(lambda: not self._held, STOP_SECONDS)
            left = sorted(self._held)
        self._idle.set()
        self._renewer.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for job in left:
            self._lease(job, 0.0)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            if not self._slots.acquire(timeout=POLL_SECONDS):
                continue
            job = None
            try:
                job = self._claim()
            except DATABASE_ERRORS as error:
                log.warning("no job claimed: %s", error)
            if job is None:
                self._slots.release()
                self._stopping.wait(POLL_SECONDS)
            else:
                self._pool.submit(self._work, job)

    def _claim(self) -> Job | None:
        now = time.time()
        due = f"SELECT id FROM jobs WHERE {OPEN} AND lease_until <= ? ORDER BY lease_until LIMIT 1"
        if not self._store.read(due, (now,)):
            return None  # looked without a lock: an idle worker holds nobody up
        with self._store.transaction() as session:
            lock = " FOR UPDATE SKIP LOCKED" if session.postgres else ""
            row = session.run(due + lock, (now,)).fetchone()
            return self._take(session, row[0], now) if row else None

    def _take(self, session: Session, job: str, now: float) -> Job:
        order, payload, attempts, trace = session.run(
            "UPDATE jobs SET status = 'running', lease_until = ?, lease_owner = ?, attempts = attempts + 1"
            " WHERE id = ? RETURNING order_id, payload, attempts, traceparent",
            (now + LEASE_SECONDS, self._owner, job),
        ).fetchone()
        if self._release.channel:
            session.run("UPDATE orders SET status = 'paying' WHERE id = ? AND status = 'placed'", (order,))
        with self._held_changed:
            self._held.add(job)
        return Job(job, order, json.loads(payload), attempts, trace)

    def _work(self, job: Job) -> None:
        try:
            for charge in self._release.charges(job.payload):
                self._charge(job, charge)
            self._finish(job, "succeeded", "paid")
        except Declined:
            self._finish(job, "failed", "declined")
        except Exception as error:  # whatever it was, the job must not be lost with this thread
            log.warning("job %s, attempt %d: %s: %s", job.id, job.attempts, type(error).__name__, error)
            self._let_go(job)  # before the lease is given back, or a renewal would take it again
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(job.attempts - 1, 10))
            self._lease(job.id, time.time() + wait)
        finally:
            self._let_go(job)
            self._slots.release()

    def _charge(self, job: Job, charge: Any) -> None:
        headers = {"Idempotency-Key": job.order}
        if job.traceparent:
            headers["traceparent"] = job.traceparent
        body = {"reference": charge["reference"], "order": job.order, "amount_cents": charge["amount_cents"]}
        answer = self._payments.post("/charges", json=body, headers=headers)
        if answer.status_code in (402, 422):
            raise Declined
        answer.raise_for_status()

    def _finish(self, job: Job, job_status: str, order_status: str) -> None:
        with self._store.transaction() as session:
            done = session.run(f"UPDATE jobs SET status = ? WHERE id = ? AND {OPEN} RETURNING id", (job_status, job.id))
            if done.fetchone():
                session.run("UPDATE orders SET status = ? WHERE id = ?", (order_status, job.order))

    def _lease(self, job: str, until: float) -> None:
        try:
            self._store.read(
                f"UPDATE jobs SET lease_until = ? WHERE id = ? AND lease_owner = ? AND {OPEN} RETURNING id",
                (until, job, self._owner),
            )
        except DATABASE_ERRORS as error:
            log.warning("job %s: its lease runs out by itself: %s", job, error)

    def _let_go(self, job: Job) -> None:
        with self._held_changed:
            self._held.discard(job.id)
            self._held_changed.notify_all()

    def _renew(self) -> None:
        """Keep the leases of the jobs in hand, also while stopping."""
        while not self._idle.wait(RENEW_SECONDS):
            if not self._held:
                continue
            try:
                # The database's lock before our own, as in `_claim`: the other way round, each waits for the other.
                with self._store.transaction() as session, self._held_changed:
                    for job in self._held:
                        session.run(
                            f"UPDATE jobs SET lease_until = ? WHERE id = ? AND lease_owner = ? AND {OPEN}",
                            (time.time() + LEASE_SECONDS, job, self._owner),
                        )
            except DATABASE_ERRORS as error:
                log.warning("leases run out by themselves: %s", error)
