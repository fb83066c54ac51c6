"""Describes a kind of store to the runtimes and to matrices. `registered.py` lists all kinds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from verifier.runtime.base import Address, Environment, StoreSpec
from verifier.runtime.job import Job
from verifier.runtime.readiness import tcp_answers

_WITHIN = 2.0
Answers = Callable[[Address], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A store of the process runtime before its start. `job` is its server; None if the store is only a file.

    `url` makes the URL from the port of the server; None if the URL is that of the declared image. `signal` ends the
    server. `lasting` ends it with all of its data in its folder, after `save` where there is one; None if there is no
    such end.
    """

    job: Job | None
    url: Callable[[int], str] | None = None
    signal: str = "SIGKILL"
    lasting: str | None = None
    save: Answers | None = None


# Prepares a store. The second argument returns a folder for its data, which is removed with the store: it does not
# exist yet, or holds the data of a template, and then nothing has to be made. The third one adds the declared
# environment to that of a local process.
Local = Callable[[StoreSpec, Callable[[], Path], Callable[[Environment], dict[str, str]]], Awaitable[LocalStore]]


def tcp_url(environment: Environment, host: str, port: int) -> str:
    """The URL of an unknown kind of store."""
    return f"tcp://{host}:{port}"


def _tcp(environment: Environment) -> Answers:
    return tcp_answers


def _anywhere(spec: StoreSpec) -> None:
    return None


@dataclass(frozen=True, slots=True)
class StoreKind:
    """A kind of store. `url` makes the URL of a store from its declared environment, host and port.

    For containers: `images` are the names of images of this kind, without registry and tag, and `port` is the port on
    which they listen. `environment` adds what the image requires to the declared environment. `arguments` make a
    temporary store fast, for images with the official entry point. `answers` tests whether a store is ready.

    For the process runtime: `local` prepares a store that the matrix declares as `process: NAME`, or is None. `check`
    raises BrokenEnvironment if it cannot start on this machine.

    `parts` are what a reference `${stores.NAME.PART}` can name of it. `load` runs a file of SQL in a local store, given
    its URL; `load_command` is the command that does so in a container, given the path of the file there.
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
    parts: tuple[str, ...] = ("url", "host", "port")
    load: Callable[[StoreSpec, str, Path], Awaitable[None]] | None = None
    load_command: Callable[[Environment, str], list[str]] | None = None

    def command(self, entrypoint: list[str] | None) -> list[str] | None:
        """The command for an image with this entry point; None for the default command of the image."""
        official = any(part.endswith("docker-entrypoint.sh") for part in entrypoint or ())
        return list(self.arguments) if self.arguments and official else None


async def exchange(at: Address, message: bytes, size: int) -> bytes:
    """The first `size` bytes of the response to a message; b"" if fewer arrive in time."""
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
