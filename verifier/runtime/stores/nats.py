"""NATS."""

from __future__ import annotations

from verifier.runtime.base import Environment
from verifier.runtime.stores.kind import StoreKind


def url(environment: Environment, host: str, port: int) -> str:
    return f"nats://{host}:{port}"


NATS = StoreKind("nats", url, images=("nats",), port=4222)
