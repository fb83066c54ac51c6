"""Seams: each assumption with a promise that meets it and one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.contracts.expectations import Party, Seam, seams
from verifier.contracts.guarantees import read

PROVIDER = """
service: payments
operations:
  charge:
    idempotent: {{key: $request.header.Idempotency-Key}}
    completes: {{accepted: 202, poll: $response.header.Location, state: $response.body#/status, final: [done],
                within: 10s}}
    effects: [{{partner: psp, operation: charge, key: $request.body#/ref, times: {times}}}]
    freshness: {{class: {freshness}, resource: $request.path.id, within: 5s}}
  plain: {{}}
"""


def _found(
    tmp_path: Path, assumes: str, times: str = "exactly-once", freshness: str = "read-your-writes"
) -> tuple[Seam, ...]:
    provider, consumer = tmp_path / "payments.yaml", tmp_path / "orders.yaml"
    provider.write_text(PROVIDER.format(times=times, freshness=freshness))
    consumer.write_text(f"service: orders\nassumes:\n  {assumes}\n")
    return seams([Party("orders", "2.0", read(consumer)), Party("payments", "1.2", read(provider))])


@pytest.mark.parametrize(
    "assumes",
    [
        "payments.charge: {idempotent: true}",
        "payments.charge: {completes: 10s}",
        "payments.charge: {completes: true}",
        "payments.charge: {effects: at-most-once}",
        "payments.charge: {freshness: eventual}",
        "payments.plain: {idempotent: false}",
        "psp.charge: {idempotent: true}",
    ],
)
def test_what_is_promised_may_be_assumed(tmp_path: Path, assumes: str) -> None:
    assert _found(tmp_path, assumes) == ()


@pytest.mark.parametrize(
    ("assumes", "guarantee"),
    [
        ("payments.plain: {idempotent: true}", "idempotent"),
        ("payments.charge: {completes: 5s}", "completes"),
        ("payments.charge: {freshness: strong}", "freshness"),
        ("payments.charge: {freshness: monotonic}", "freshness"),
        ("payments.missing: {idempotent: true}", "idempotent"),
        ("payments.charge: {telepathy: true}", "telepathy"),
    ],
)
def test_more_than_is_promised_may_not(tmp_path: Path, assumes: str, guarantee: str) -> None:
    (found,) = _found(tmp_path, assumes)
    assert found.guarantee == guarantee
    assert (found.consumer, found.consumer_version, found.provider, found.provider_version) == (
        "orders", "2.0", "payments", "1.2",
    )  # fmt: skip
    assert found.assumed.line == 3 and "orders.yaml:3" in str(found.assumed)
    assert "payments.yaml" in str(found.promised)


def test_an_effect_is_as_weak_as_its_declaration(tmp_path: Path) -> None:
    (found,) = _found(tmp_path, "payments.charge: {effects: exactly-once}", times="at-least-once")
    assert "psp.charge at-least-once" in found.message


@pytest.mark.parametrize(("within", "held"), [("5s", True), ("4s", False)])
def test_a_bound_on_staleness_is_compared(tmp_path: Path, within: str, held: bool) -> None:
    found = _found(tmp_path, f"payments.charge: {{freshness: bounded, within: {within}}}", freshness="bounded")
    assert (found == ()) is held
