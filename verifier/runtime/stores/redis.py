"""Redis, and Valkey, which uses the same protocol."""

from __future__ import annotations

from verifier.runtime.base import Address, Environment
from verifier.runtime.stores.kind import StoreKind, exchange


def url(environment: Environment, host: str, port: int) -> str:
    return f"redis://{host}:{port}/0"


async def redis_answers(at: Address) -> bool:
    """Whether a server responds to PING or asks for a password. While it loads its data, it does neither."""
    answer = await exchange(at, b"*1\r\n$4\r\nPING\r\n", 7)
    return answer in (b"+PONG\r\n", b"-NOAUTH")


REDIS = StoreKind(
    "redis",
    url,
    images=("redis", "valkey"),
    port=6379,
    answers=lambda environment: redis_answers,
    parts=("url", "host", "port", "database"),
)
