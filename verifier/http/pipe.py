"""A body in transit, with back-pressure: one side puts pieces in as they arrive, the other takes them out."""

from __future__ import annotations

import asyncio
from typing import Protocol

HIGH_WATER = 256 << 10  # bytes in the pipe beyond which the source is paused


class BodySource(Protocol):
    """The source of the pieces: a transport."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool: ...


class Pipe:
    """`how` is None while more may come. Then it is a word: "" if the body is whole, else what ended it.

    There is one reader. Memory is bounded by HIGH_WATER and one piece, because the source is paused beyond it.
    """

    __slots__ = ("_paused", "_pieces", "_source", "_waiter", "buffered", "how", "size")

    def __init__(self, source: BodySource) -> None:
        self._source = source
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self.buffered = 0  # bytes put in and not yet taken
        self.size = 0  # bytes put in since the beginning
        self.how: str | None = None

    def feed(self, piece: bytes) -> None:
        """Put a piece in. It is dropped after the end."""
        if not piece or self.how is not None:
            return
        self._pieces.append(piece)
        self.size += len(piece)
        self.buffered += len(piece)
        if self.buffered > HIGH_WATER and not self._paused:
            self._paused = True
            self._source.pause_reading()
        self._wake()

    def end(self, how: str) -> None:
        """Nothing more comes. What has been put in can still be read. Only the first call counts."""
        if self.how is None:
            self.how = how
            self._wake()

    def stop(self, how: str) -> None:
        """Nothing more is wanted. What has been put in is dropped."""
        self._pieces.clear()
        self.end(how)
        self._resume_source()

    async def read(self) -> bytes:
        """Everything that came since the last read, at least one byte, or b"" at the end."""
        while not self._pieces:
            if self.how is not None:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        taken = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._resume_source()
        return taken

    def _resume_source(self) -> None:
        self.buffered = 0
        if self._paused:
            self._paused = False
            if not self._source.is_closing():
                self._source.resume_reading()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
