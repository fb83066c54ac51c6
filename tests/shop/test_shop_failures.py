"""What the safe releases do when answers get lost, replicas are killed or stopped, and many start at once."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from tests.shop.harness import Psp, Replica, Shop, wait_ready
from tests.shop.scenario import at_once, client, finished, place

PATIENCE_SECONDS = 20.0


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with client() as open_client:
        yield open_client


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def charge(http: httpx.Client, replica: Replica, key: str, amount: int = 100) -> httpx.Response:
    body = {"reference": f"reference of {key}", "order": f"order of {key}", "amount_cents": amount}
    return http.post(f"{replica.url}/charges", json=body, headers={"Idempotency-Key": key})


def test_lost_answers_of_the_provider_charge_once(shop: Shop, psp: Psp, http: httpx.Client) -> None:
    shop.migrate("2.0", "expand")
    psp.lose = {0, 1, 3, 5}
    _, orders = shop.start(["1.2", "1.3"], ["1.4", "2.0"])
    placed = [place(http, orders, together=True) for _ in range(6)]
    assert all(finished(http, orders[0], order) for order in placed)
    assert [psp.charges[order.reference] for order in placed] == [1] * 6
    assert len(psp.calls) >= 6 + len(psp.lose), "a lost answer is asked for again"


@pytest.mark.parametrize("killed", ["1.4", "2.0"])
def test_killed_orders_replica_loses_no_job(shop: Shop, psp: Psp, http: httpx.Client, killed: str) -> None:
    """Everything in its hands is completed by the other release, with one charge."""
    shop.migrate("2.0", "expand")
    (payments,), (first,) = shop.start(["1.2"], [killed])
    psp.hold.clear()
    placed = [place(http, [first], together=False) for _ in range(6)]
    until(lambda: len(psp.calls) >= 2)
    first.stop(signal.SIGKILL)
    psp.hold.set()
    other = shop.launch("orders", {"1.4": "2.0", "2.0": "1.4"}[killed], {"PAYMENTS_URL": payments.url})
    wait_ready(other.process, other.url, other.log)
    assert all(finished(http, other, order) for order in placed)
    assert [psp.charges[order.reference] for order in placed] == [1] * 6


def test_killed_payments_replica_leaves_no_key_in_progress(shop: Shop, psp: Psp, http: httpx.Client) -> None:
    (old, new), _ = shop.start(["1.2", "1.3"], [])
    psp.hold.clear()
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(charge, http, old, "k")
        until(lambda: psp.calls)
        meanwhile = charge(http, new, "k")
        old.stop(signal.SIGKILL)
        assert isinstance(lost.exception(), httpx.TransportError)
    psp.hold.set()
    assert meanwhile.status_code == 409 and meanwhile.headers["Retry-After"]
    until(lambda: charge(http, new, "k").status_code == 201)
    assert psp.charges["reference of k"] == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_stop_lets_work_under_way_finish(shop: Shop, psp: Psp, http: httpx.Client) -> None:
    (payments,), (orders,) = shop.start(["1.3"], ["1.4"])
    psp.hold.clear()
    placed = place(http, [orders], together=False)
    until(lambda: psp.calls)
    with ThreadPoolExecutor(3) as pool:
        answer = pool.submit(charge, http, payments, "k")
        until(lambda: len(psp.calls) == 2)
        stops = [pool.submit(payments.stop), pool.submit(orders.stop)]
        until(lambda: _refuses(payments) and _refuses(orders))
        psp.hold.set()
        assert answer.result().status_code == 201
        assert [stop.result() for stop in stops] == [0, 0]
    reader = shop.launch("orders", "1.4", {"PAYMENTS_URL": psp.url})
    wait_ready(reader.process, reader.url, reader.log)
    assert http.get(reader.url + placed.answers[0].headers["Operation-Location"]).json()["status"] == "succeeded"
    assert psp.charges[placed.reference] == 1


def _refuses(replica: Replica) -> bool:
    try:
        httpx.get(f"{replica.url}/healthz", timeout=1, trust_env=False)
    except httpx.TransportError:
        return True
    return False


def test_many_replicas_may_start_at_once_on_nothing(shop: Shop, psp: Psp, http: httpx.Client) -> None:
    replicas = [shop.launch("payments", release) for release in ("1.2", "1.3", "1.2")]
    replicas += [shop.launch("orders", "1.4", {"PAYMENTS_URL": replicas[0].url}) for _ in range(3)]
    for replica in replicas:
        wait_ready(replica.process, replica.url, replica.log)
    placed = place(http, replicas[3:], together=True)
    assert finished(http, replicas[3], placed) and psp.charges[placed.reference] == 1


def test_migrations(shop: Shop, psp: Psp, http: httpx.Client) -> None:
    """1.4 lives through 2.0's migrations and its own restart; 2.0 refuses to start without them."""
    _, (old,) = shop.start(["1.2"], ["1.4"])
    early = shop.launch("orders", "2.0", {"PAYMENTS_URL": psp.url})
    assert early.process.wait(20) != 0 and "needs its migration first" in early.log.read_text()
    at_once([lambda: shop.migrate("2.0", "expand")] * 2)
    before = place(http, [old], together=False)
    assert old.stop() == 0
    _, (old, new) = shop.start(["1.2"], ["1.4", "2.0"])
    assert _channel(http, new, before.orders) == "web"
    shop.migrate("2.0", "contract")
    assert finished(http, old, place(http, [new, old], together=False))
    assert new.stop() == 0
    shop.migrate("2.0", "undo")
    assert finished(http, old, place(http, [old], together=False))
    assert "channel" not in http.get(f"{old.url}/orders/{min(before.orders)}").json()


def _channel(http: httpx.Client, replica: Replica, orders: set[str]) -> str:
    return str(http.get(f"{replica.url}/orders/{min(orders)}").json()["channel"])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_trace_context_is_passed_on(shop: Shop, psp: Psp, http: httpx.Client) -> None:
    _, (orders,) = shop.start(["1.2"], ["1.4"])
    trace = f"00-{uuid.uuid4().hex}-00f067aa0ba902b7-01"
    placed = place(http, [orders], together=False, trace=trace)
    assert finished(http, orders, placed)
    assert psp.calls == [(placed.reference, psp.calls[0][1], trace)]


def test_same_instant_charges_of_one_key(shop: Shop, psp: Psp, http: httpx.Client) -> None:
    payments, _ = shop.start(["1.2", "1.3"], [])
    for number in range(5):
        answers = at_once([partial(charge, http, replica, f"k{number}") for replica in payments * 3])
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert psp.charges[f"reference of k{number}"] == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_one_key_for_two_things_is_refused(shop: Shop, psp: Psp, http: httpx.Client) -> None:
    (payments,), (orders,) = shop.start(["1.2"], ["1.4"])
    assert [charge(http, payments, "k", amount).status_code for amount in (100, 200)] == [201, 422]
    body = {"reference": "r", "customer": "c", "item": "tea", "amount_cents": 1}
    headers = {"Idempotency-Key": "k"}
    statuses = [
        http.post(f"{orders.url}/orders", json={**body, "item": item}, headers=headers).status_code
        for item in ("tea", "cake")
    ]
    assert statuses == [202, 422]
