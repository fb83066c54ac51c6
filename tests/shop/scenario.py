"""One rehearsal by hand: the same orders through every replica of a mixture, and what went wrong."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import httpx

from tests.shop.harness import Psp, Replica

ORDERS = 24
DONE_SECONDS = 20.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placed:
    """One order that a client wanted, with the answers to all of its tries."""

    reference: str
    answers: tuple[httpx.Response, ...]

    @property
    def orders(self) -> set[str]:
        return {str(answer.json()["id"]) for answer in self.answers}


@dataclass(slots=True)
class Findings:
    """References by what went wrong with them."""

    doubled_orders: set[str] = field(default_factory=set)
    doubled_charges: set[str] = field(default_factory=set)
    uncharged: set[str] = field(default_factory=set)  # reported done, and no charge
    unfinished: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)

    def kinds(self) -> set[str]:
        return {name for name in self.__slots__ if getattr(self, name)}


def client() -> httpx.Client:
    return httpx.Client(timeout=20, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def at_once(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """The results of all tasks, started at the same instant on threads of their own."""
    barrier = threading.Barrier(len(tasks))

    def start(task: Callable[[], T]) -> T:
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(start, tasks))


def place(http: httpx.Client, replicas: Sequence[Replica], together: bool, trace: str | None = None) -> Placed:
    """One order under one key, tried at each of the replicas: at the same instant, or one after the other."""
    reference = str(uuid.uuid4())
    body = {"reference": reference, "customer": f"{reference}@example.org", "item": "tea", "amount_cents": 1250}
    headers = {"Idempotency-Key": str(uuid.uuid4()), **({"traceparent": trace} if trace else {})}

    def send(replica: Replica) -> httpx.Response:
        answer = http.post(f"{replica.url}/orders", json=body, headers=headers)
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}\n{replica.log.read_text()}"
        return answer

    if together:
        return Placed(reference, tuple(at_once([partial(send, replica) for replica in replicas])))
    return Placed(reference, tuple(send(replica) for replica in replicas))


def finished(http: httpx.Client, replica: Replica, placed: Placed, within: float = DONE_SECONDS) -> bool:
    """Whether every operation that was promised ends as succeeded."""
    deadline = time.monotonic() + within
    for answer in placed.answers:
        while (status := http.get(replica.url + answer.headers["Operation-Location"]).json()["status"]) != "succeeded":
            if time.monotonic() > deadline or status == "failed":
                return False
            time.sleep(0.01)
    return True


def rehearse(http: httpx.Client, replicas: Sequence[Replica], psp: Psp) -> Findings:
    """Orders tried at every replica, at once and in both directions; then everything is read through every replica."""
    placed = []
    for number in range(ORDERS):
        turn = number % len(replicas)
        placed.append(place(http, [*replicas[turn:], *replicas[:turn]], together=number % 3 == 0))
    found = Findings()
    for order in placed:
        if len(order.orders) > 1:
            found.doubled_orders.add(order.reference)
        if not finished(http, replicas[0], order):
            found.unfinished.add(order.reference)
        charges = psp.charges[order.reference]
        if charges > 1:
            found.doubled_charges.add(order.reference)
        if charges == 0:
            found.uncharged.add(order.reference)
        for replica in replicas:
            answers = [http.get(f"{replica.url}/orders/{order_id}") for order_id in order.orders]
            answers.append(http.get(f"{replica.url}/orders", params={"customer": f"{order.reference}@example.org"}))
            if any(answer.status_code != 200 for answer in answers):
                found.unreadable.add(order.reference)
    return found
