"""An awaitable that wakes its task inside the callback that ends the wait.

asyncio accepts any object that implements the protocol of futures. A future would wake its task through the loop's
queue, with one handle for each response. This one wakes it at once. A function can be called instead of a task.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator
from typing import Any


class DirectWaiter:
    """Can be awaited again and again, by one task at a time. The result of each wait is `how`.

    A subclass says by `over` whether there is nothing to wait for, sets `how` and calls `_wake` when a wait ends.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_loop", "_wakeup", "how")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        self.how = ""
        self._wakeup: Callable[[object], object] | None = None
        self._context: contextvars.Context
        self._cancelled = False
        self._callback: Callable[[Any], object] | None = None

    def over(self) -> bool:
        """Whether there is nothing to wait for."""
        raise NotImplementedError

    def set_callback(self, callback: Callable[[Any], object] | None) -> None:
        """Have a function called with this object whenever a wait ends, in place of a task. None removes it."""
        self._callback = callback

    def __await__(self) -> Generator[Any, None, str]:
        if not self.over():
            self._asyncio_future_blocking = True
            yield self
        return self.how

    # --- the protocol of futures ---

    def add_done_callback(self, wakeup: Callable[[object], object], *, context: contextvars.Context) -> None:
        self._wakeup = wakeup
        self._context = context

    def result(self) -> None:
        if self._cancelled:
            self._cancelled = False
            raise asyncio.CancelledError

    def cancel(self, msg: object = None) -> bool:
        """Called from within another task, so the awaiting one is woken through the loop."""
        wakeup, self._wakeup = self._wakeup, None
        if wakeup is None:
            return False
        self._cancelled = True
        self._loop.call_soon(wakeup, self, context=self._context)
        return True

    def _wake(self) -> None:
        """Run the waiting task. Only from callbacks of the loop, because a task cannot run inside another one."""
        callback = self._callback
        if callback is not None:
            callback(self)
            return
        wakeup = self._wakeup
        if wakeup is not None:
            self._wakeup = None
            self._context.run(wakeup, self)
