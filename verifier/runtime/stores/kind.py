"""What a kind of store is to both runtimes and to matrices: one value, listed in `registered.py`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from verifier.runtime.base import Address, Environment, StoreSpec
from verifier.runtime.launch import Job
from verifier.runtime.readiness import tcp_answers

_WITHIN = 2.0
Answers = Callable[[Address], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A store of the process runtime before it starts: `job` is its server, None where a file is the whole store.

    `url` makes the URL from the server's port; None for the URL of the image that the store stands in for. `signal`
    ends the server.
    """

    job: Job | None
    url: Callable[[int], str] | None = None
    signal: str = "SIGKILL"


# Prepares a store. The second argument returns a folder for its data, which does not exist yet and is removed with the
# store; the third one completes the environment of a local process.
Local = Callable[[StoreSpec, Callable[[], Path], Callable[[Environment], dict[str, str]]], Awaitable[LocalStore]]


def tcp_url(environment: Environment, host: str, port: int) -> str:
    """The URL of a store of which nothing else is known."""
    return f"tcp://{host}:{port}"


def _tcp(environment: Environment) -> Answers:
    return tcp_answers


def _anywhere(spec: StoreSpec) -> None:
    return None


@dataclass(frozen=True, slots=True)
class StoreKind:
    """`url` makes the URL of a store from its declared environment, host and port.

    In containers: `images` are the names of images of this kind, without registry and tag, and `port` is where they
    listen. `environment` completes the declared environment by what such an image insists on. `arguments` make a
    throw-away store fast, for images with the official entry point. `answers` asks whether a store is ready.

    In the process runtime: `local` prepares a store for which the matrix says `process: NAME`; None where there is no
    such store. `check` raises BrokenEnvironment where it cannot start on this machine.
    """

    name: str
    url: Callable[[Environment, str, int], str] = tcp_url
    images: tuple[str, ...] = ()
    port: int = 0
    environment: Callable[[Environment], dict[str, str]] = dict
    arguments: tuple[str, ...] = ()
    answers: Callable[[Environment], Answers] = _tcp
    local: Local | None = None
    check: Callable[[StoreSpec], None] = _anywhere

    def command(self, entrypoint: list[str] | None) -> list[str] | None:
        """The command for an image with this entry point; None for the image's own."""
        official = any(part.endswith("docker-entrypoint.sh") for part in entrypoint or ())
        return list(self.arguments) if self.arguments and official else None


async def exchange(at: Address, message: bytes, size: int) -> bytes:
    """The first `size` bytes of the response to a message; b"" where fewer come, or none in time."""
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
