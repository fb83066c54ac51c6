"""The contract of the service that the benchmark talks to, so that every request is looked up in one."""

from __future__ import annotations

from verifier.contracts.model import Contract, ContractOperation
from verifier.contracts.registry import ContractRegistry, VersionContract

ROUTES = ("/orders", "/orders/{id}", "/orders/{id}/lines", "/orders/{id}/lines/{line}", "/customers/{id}", "/health")


def registry() -> ContractRegistry:
    operations = tuple(
        ContractOperation(f"{method} {path}", method, path, (), None, (), (), "")
        for path in ROUTES
        for method in ("GET", "PUT")
    )
    return ContractRegistry(
        (VersionContract("shop", "1", Contract("shop", "1", "shop.yaml", "openapi", operations), None),)
    )
