"""Ctrl-C and SIGTERM: the first one stops a run in order. A second one ends the process at once; the watcher then
cleans up.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run was stopped in order by a signal. `status` is the exit status, as a shell reports it."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


async def interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`. After a signal, raises Interrupted once `work` has cleaned up.

    A process that was started with a signal ignored keeps ignoring it.
    """
    import asyncio  # late: `--help` needs the rest of this module alone

    signals = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    task, loop, status = asyncio.current_task(), asyncio.get_running_loop(), 0

    def stop(number: int) -> None:
        nonlocal status
        if status or task is None:
            os._exit(128 + number)
        status = 128 + number
        task.cancel()

    for number in signals:
        loop.add_signal_handler(number, stop, number)
    try:
        return await work
    except asyncio.CancelledError:
        if status:
            raise Interrupted(status) from None
        raise
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
