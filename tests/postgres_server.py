"""A PostgreSQL server for tests that talk to one themselves, from the programs on this machine."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory

import pytest

from verifier.errors import BrokenEnvironment
from verifier.runtime.base import Address
from verifier.runtime.ports import LOOPBACK
from verifier.runtime.stores import postgres


@contextmanager
def serving(account: postgres.Account) -> Iterator[str]:
    """The URL of an empty database on a server of its own. Without the programs, the test is skipped."""
    try:
        programs = postgres.binaries(None)
    except BrokenEnvironment as reason:
        pytest.skip(str(reason))
    with closing(socket()) as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        folder = Path(above) / "server"
        asyncio.run(postgres.create(folder, programs, account, {"PATH": "/usr/bin:/bin"}))
        command = [part.replace("{port}", str(port)) for part in postgres.server(folder, programs)]
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            asyncio.run(_answering(Address(LOOPBACK, port), account))
            yield account.url(LOOPBACK, port)
        finally:
            process.terminate()
            process.wait(30)


async def _answering(at: Address, account: postgres.Account) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError):
                if await postgres.answers(at, account):
                    return
            await asyncio.sleep(0.05)
