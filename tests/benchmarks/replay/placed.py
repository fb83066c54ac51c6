"""A gateway before the one service that the benchmarks talk to."""

from __future__ import annotations

from collections.abc import Callable

from verifier.contracts.registry import ContractRegistry
from verifier.gateway.gateway import Gateway
from verifier.gateway.partner import PartnerServer
from verifier.gateway.rotation import Endpoint, Rotation
from verifier.history.store import HistoryWriter
from verifier.http.client import WireClient
from verifier.runtime.base import Address


def gateway_before(
    port: int, client: WireClient, promised: ContractRegistry, writer: HistoryWriter, clock: Callable[[], float]
) -> Gateway:
    """In its rotation is one replica of `shop` 1, on that port of loopback."""
    rotation = Rotation()
    rotation.add(Endpoint("shop", "1", "shop-1-1", Address("127.0.0.1", port)))
    return Gateway(
        host="127.0.0.1",
        rotation=rotation,
        client=client,
        partner_server=PartnerServer(promised),
        registry=promised,
        partners={},
        ports={"shop": 80},
        record=writer.add,
        clock=clock,
    )
