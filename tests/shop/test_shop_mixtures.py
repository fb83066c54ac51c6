"""Each unsafe release is right alone and wrong beside the one before, in its own way; the safe releases are right."""

from __future__ import annotations

import uuid

import httpx
import pytest

from tests.shop.harness import Psp, Replica, Shop
from tests.shop.scenario import ORDERS, client, rehearse

DOUBLED = {"doubled_orders", "doubled_charges"}
MIXTURES = [
    (("1.4", "2.0"), set()),
    (("1.4", "2.1"), DOUBLED),
    (("1.4", "2.2"), {"unreadable"}),
    (("1.4", "2.3"), {"uncharged"}),
    (("1.4", "1.5"), set()),
    (("1.5", "2.2"), set()),
    (("2.2", "2.4"), set()),
    (("1.5", "2.4"), {"unreadable"}),
]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("release", ["1.4", "1.5", "2.0", "2.1", "2.2", "2.3", "2.4"])
def test_orders_alone(shop: Shop, psp: Psp, release: str) -> None:
    _, orders = shop.start(["1.2", "1.3"], [release, release])
    with client() as http:
        found = rehearse(http, orders, psp)
    assert not found.kinds(), found


@pytest.mark.parametrize(("releases", "expected"), MIXTURES, ids=lambda value: "+".join(sorted(value)) or "right")
def test_orders_mixed(shop: Shop, psp: Psp, releases: tuple[str, str], expected: set[str]) -> None:
    if "2.0" in releases:
        shop.migrate("2.0", "expand")
    _, orders = shop.start(["1.2", "1.3"], releases)
    with client() as http:
        found = rehearse(http, orders, psp)
    assert found.kinds() == expected, found
    if expected == DOUBLED:
        assert len(found.doubled_charges) == ORDERS, "every retry that crosses releases, in either direction"
    if expected == {"unreadable"}:
        assert len(found.unreadable) < ORDERS, "rows of 1.4 stay readable"


@pytest.mark.parametrize(
    ("releases", "charges"),
    [(("1.4", "1.4"), 1), (("1.2", "1.3"), 1), (("1.2", "1.4"), 2)],
)
def test_payments(shop: Shop, psp: Psp, releases: tuple[str, str], charges: int) -> None:
    """A charge repeated at the other replica, in both directions."""
    there, _ = shop.start(releases, [])
    for first, second in (there, there[::-1]):
        reference = str(uuid.uuid4())
        answers = [_charge(replica, reference) for replica in (first, second, first)]
        assert {answer.status_code for answer in answers} == {201}
        assert psp.charges[reference] == charges
        assert len({answer.json()["id"] for answer in answers}) == charges


def _charge(replica: Replica, reference: str) -> httpx.Response:
    body = {"reference": reference, "order": f"order of {reference}", "amount_cents": 100}
    with client() as http:
        return http.post(f"{replica.url}/charges", json=body, headers={"Idempotency-Key": f"key of {reference}"})


def test_undoing_2_4_loses_orders(shop: Shop, psp: Psp) -> None:
    _, (orders,) = shop.start(["1.2"], ["2.2"])
    body = {"reference": "r1", "customer": "c1", "item": "tea", "amount_cents": 100}
    shop.migrate("2.4", "expand")
    with client() as http:
        placed = http.post(f"{orders.url}/orders", json=body, headers={"Idempotency-Key": "k1"}).json()
        assert http.get(f"{orders.url}/orders/{placed['id']}").status_code == 200
        shop.migrate("2.4", "undo")
        assert http.get(f"{orders.url}/orders/{placed['id']}").status_code == 404
