"""What is known about the images of common stores: their port, environment, readiness and URL."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable

from verifier.runtime.base import Address, Environment
from verifier.runtime.postgres import SETTINGS, Account
from verifier.runtime.readiness import tcp_answers

KNOWN = {"postgres": "postgres", "redis": "redis", "valkey": "redis", "rabbitmq": "rabbitmq", "nats": "nats"}
PORTS = {"postgres": 5432, "redis": 6379, "rabbitmq": 5672, "nats": 4222}
_WITHIN = 2.0


def family(image: str | None) -> str | None:
    """The kind of store an image is, by the last part of its name: `registry:5000/x/postgres:15` is `postgres`."""
    if not image:
        return None
    return KNOWN.get(image.rpartition("/")[2].partition("@")[0].partition(":")[0])


def url(image: str | None, environment: Environment, host: str, port: int) -> str:
    """The URL of a store that listens on a host and port; `tcp://` for what is not known."""
    values = dict(environment)
    kind = family(image)
    if kind == "postgres":
        return Account.of(environment).url(host, port)
    if kind == "redis":
        return f"redis://{host}:{port}/0"
    if kind == "rabbitmq":
        user, password = values.get("RABBITMQ_DEFAULT_USER", "guest"), values.get("RABBITMQ_DEFAULT_PASS", "guest")
        return f"amqp://{user}:{password}@{host}:{port}/"
    if kind == "nats":
        return f"nats://{host}:{port}"
    return f"tcp://{host}:{port}"


def environment(image: str | None, declared: Environment) -> dict[str, str]:
    """What is declared, completed by what the image insists on."""
    values = dict(declared)
    if family(image) == "postgres":
        account = Account.of(declared)
        values |= {
            "POSTGRES_USER": account.user,
            "POSTGRES_PASSWORD": account.password,
            "POSTGRES_DB": account.database,
        }
        values.setdefault("POSTGRES_INITDB_ARGS", "--no-sync")
    return values


def command(image: str | None, entrypoint: list[str] | None) -> list[str] | None:
    """Arguments that make a throw-away store fast, where the image's entry point is known to take them."""
    official = any(part.endswith("docker-entrypoint.sh") for part in entrypoint or ())
    if family(image) == "postgres" and official:
        return ["postgres", *(part for setting in SETTINGS for part in ("-c", setting))]
    return None


def answers(image: str | None, declared: Environment) -> Callable[[Address], Awaitable[bool]]:
    """How a store of this kind shows that it is ready."""
    kind = family(image)
    if kind == "postgres":
        account = Account.of(declared)
        return lambda at: postgres_answers(at, account)
    if kind == "redis":
        return redis_answers
    return tcp_answers


async def postgres_answers(at: Address, account: Account) -> bool:
    """Whether a server takes connections: it answers a start-up message by asking for authentication.

    While it starts, recovers or stops it answers with an error (57P03) instead. The official image runs a first,
    temporary server for its own set-up, which listens on no TCP port. Messages: PostgreSQL's documentation,
    "Frontend/Backend Protocol", "Start-up".
    """
    words = f"user\0{account.user}\0database\0{account.database}\0\0".encode()
    answer = await _exchange(at, struct.pack("!ii", len(words) + 8, 196608) + words, 1)
    return answer == b"R"


async def redis_answers(at: Address) -> bool:
    """Whether a server answers PING, or at least asks for a password; while it loads its data it does neither."""
    answer = await _exchange(at, b"*1\r\n$4\r\nPING\r\n", 7)
    return answer in (b"+PONG\r\n", b"-NOAUTH")


async def _exchange(at: Address, message: bytes, size: int) -> bytes:
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(at.host, at.port), _WITHIN)
    except (OSError, TimeoutError):
        return b""
    try:
        writer.write(message)
        return await asyncio.wait_for(reader.readexactly(size), _WITHIN)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
