"""The connections of a proxy: HTTP messages are read from each, and bytes are written to each."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from verifier.http.h1 import BrokenMessage
from verifier.http.message_reader import MessageReader


class DuplexStream:
    """One connection of a proxy. `reads` says what the other side sends: requests (a client) or responses (a service).

    `sent` counts the bytes written.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reads: Literal["request", "response"]
    ) -> None:
        self.messages = MessageReader(reader, reads)
        self._reader = reader
        self._writer = writer
        self.sent = 0

    async def send(self, data: bytes) -> None:
        """Write, and wait until the buffer has room again. Raises BrokenMessage when the other side has gone."""
        if self._writer.is_closing():
            raise BrokenMessage("reset")  # a closed transport of uvloop refuses a write with a RuntimeError
        self.sent += len(data)
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            raise BrokenMessage("reset") from None

    async def send_eof(self) -> None:
        with contextlib.suppress(OSError):
            if not self._writer.is_closing() and self._writer.can_write_eof():
                self._writer.write_eof()

    @property
    def closing(self) -> bool:
        """Whether either side has closed the connection."""
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


async def relay_bytes(client: DuplexStream, service: DuplexStream) -> None:
    """Copy bytes both ways after a protocol switch, until both sides have ended."""

    async def copy(source: DuplexStream, target: DuplexStream) -> None:
        with contextlib.suppress(BrokenMessage):
            async for piece in source.messages.raw():
                await target.send(piece)
        await target.send_eof()

    await asyncio.gather(copy(client, service), copy(service, client))
