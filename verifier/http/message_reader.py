"""Reading messages from a stream piece by piece, so that a body can be forwarded while it is still arriving."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Literal

from verifier.http.framing import MAX_PROXIED_HEAD
from verifier.http.h1 import BrokenMessage, MessageHead, MessageParser

_READ_SIZE = 64 << 10  # bytes
_END = object()


class MessageReader:
    """Reads the messages of one direction of one connection, in order.

    For each message call `head`, then exhaust `body`. After a head with `upgrade`, call either `ignore_upgrade` or
    `raw`. Memory is bounded by the head limit and one piece. All raise BrokenMessage.
    """

    def __init__(self, stream: asyncio.StreamReader, kind: Literal["request", "response"]) -> None:
        self._stream = stream
        self._parser = MessageParser(kind, self, MAX_PROXIED_HEAD)
        self._queue: deque[MessageHead | bytes | object] = deque()
        self._in_message = False
        self._error: BrokenMessage | None = None

    async def head(self, bodiless: bool = False) -> MessageHead | None:
        """The next head, or None when the connection ended in order before one began.

        `bodiless`: the response belongs to a HEAD request.
        """
        self._parser.bodiless = bodiless
        while not self._queue:
            if not await self._fill():
                if self._parser.within_head:
                    raise BrokenMessage("closed")
                return None
        item = self._queue.popleft()
        assert isinstance(item, MessageHead)
        self._in_message = True
        return item

    async def body(self) -> AsyncIterator[bytes]:
        """The pieces of the body of the head just read, as they arrive. Nothing if it was read before."""
        while self._in_message:
            while self._queue:
                item = self._queue.popleft()
                if item is _END:
                    self._in_message = False
                    return
                assert isinstance(item, bytes)
                yield item
            if not await self._fill():
                raise BrokenMessage("closed")

    async def watch(self) -> bool:
        """Wait until the other side sends more, which is kept, or ends. True if it ended."""
        return not self._queue and not await self._fill()

    def ignore_upgrade(self) -> None:
        """Read on as if no upgrade had been offered."""
        self._parse(None)

    async def raw(self) -> AsyncIterator[bytes]:
        """Whatever follows the upgrade, as it arrives."""
        rest, self._parser.after_upgrade = self._parser.after_upgrade, None
        if rest:
            yield rest
        while data := await self._read():
            yield data

    # --- used by the parser ---

    def on_head(self, head: MessageHead) -> None:
        self._queue.append(head)

    def on_piece(self, data: bytes) -> None:
        self._queue.append(data)

    def on_end(self) -> None:
        self._queue.append(_END)

    # --- inside ---

    async def _read(self) -> bytes:
        try:
            return await self._stream.read(_READ_SIZE)
        except OSError:
            raise BrokenMessage("reset") from None

    async def _fill(self) -> bool:
        """Read one piece and parse it. False at the end of the connection."""
        if self._error is not None:
            raise self._error
        data = await self._read()
        if data:
            self._parse(data)
            return True
        return self._parser.end_of_stream()

    def _parse(self, data: bytes | None) -> None:
        """Parse a piece, or what follows an upgrade that is ignored. An error waits until the queue has been read."""
        try:
            if data is None:
                self._parser.ignore_upgrade()
            else:
                self._parser.feed(data)
        except BrokenMessage as broken:
            self._error = broken
            if not self._queue:
                raise
