"""What becomes of a store that runs: it must neither end nor stop answering before it is stopped.

A service whose store is gone fails in any version. That says nothing about the rollout.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from verifier.errors import BrokenEnvironment
from verifier.runtime.logs import tail
from verifier.runtime.readiness import Probe, until_ready

ANSWERS_WITHIN = 20.0  # seconds; a busy store may take its time
_LINES = 3


def gone(name: str, status: int, log: Path, memory: bool = False) -> str:
    """Why the environment is broken: a line, and the end of the store's log."""
    why = ", out of memory" if memory else ", killed" if status == 137 else ""
    said = tail(log, _LINES)
    return f"store {name} exited with status {status}{why}" + (f"\n{said}" if said else "")


async def check(name: str, probe: Probe, ended: asyncio.Future[int], log: Path) -> None:
    """Raise BrokenEnvironment if a store does not answer within some seconds, or has ended."""
    failure = await until_ready(probe, ended, ANSWERS_WITHIN, log)
    if failure is None:
        return
    if ended.done():
        raise BrokenEnvironment(gone(name, ended.result(), log))
    said = tail(log, _LINES)
    raise BrokenEnvironment(f"store {name} does not answer within {ANSWERS_WITHIN:g} s" + (f"\n{said}" if said else ""))
