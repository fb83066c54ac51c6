"""Something that one task waits for, and that wakes it inside the callback that ends the wait.

asyncio takes any object that speaks the protocol of futures. A future would wake its task by way of the loop's queue,
a handle for each answer; this wakes it at once. Where no task waits, a function can be called instead.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator
from typing import Any


class Awaited:
    """Awaiting it gives `_how` once `_waiting` is false and `_wake` was called, for one wait after the other."""

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_context", "_how", "_loop", "_taker", "_waiting", "_wakeup")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        self._waiting = False
        self._how = ""
        self._wakeup: Callable[[object], object] | None = None
        self._context: contextvars.Context
        self._cancelled = False
        self._taker: Callable[[Any], object] | None = None

    def set_callback(self, taker: Callable[[Any], object] | None) -> None:
        """Have a function called whenever a wait ends, in place of a task; None: not any more."""
        self._taker = taker

    def __await__(self) -> Generator[Any, None, str]:
        if self._waiting:
            self._asyncio_future_blocking = True
            yield self
        return self._how

    @property
    def how(self) -> str:
        return self._how

    def add_done_callback(self, wakeup: Callable[[object], object], *, context: contextvars.Context) -> None:
        self._wakeup = wakeup
        self._context = context

    def result(self) -> None:
        if self._cancelled:
            self._cancelled = False
            raise asyncio.CancelledError

    def cancel(self, msg: object = None) -> bool:
        """Called from within another task, so the awaiting one is woken by way of the loop."""
        wakeup, self._wakeup = self._wakeup, None
        if wakeup is None:
            return False
        self._cancelled = True
        self._loop.call_soon(wakeup, self, context=self._context)
        return True

    def _wake(self) -> None:
        """Run the sender's task. Only from callbacks of the loop: a task cannot run inside another one."""
        taker = self._taker
        if taker is not None:
            taker(self)
            return
        wakeup = self._wakeup
        if wakeup is not None:
            self._wakeup = None
            self._context.run(wakeup, self)
