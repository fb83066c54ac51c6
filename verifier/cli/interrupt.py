"""Ctrl-C: the first one stops a run in order. A second one ends the process at once; the watcher then cleans up."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
INTERRUPTED = 130


async def interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`. After a Ctrl-C, raises KeyboardInterrupt once `work` has cleaned up.

    A process that was started with SIGINT ignored keeps ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return await work
    task, loop, count = asyncio.current_task(), asyncio.get_running_loop(), 0

    def stop() -> None:
        nonlocal count
        count += 1
        if count > 1 or task is None:
            os._exit(INTERRUPTED)
        task.cancel()

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        return await work
    except asyncio.CancelledError:
        if count:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
