"""A local process before its start: a value that stores and replicas describe and `launch.py` starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from verifier.runtime.base import Address, Environment, Readiness


@dataclass(frozen=True, slots=True)
class Job:
    """A process to start. `{port}`, `{host}` and `{dir}` in command and environment are not replaced yet.

    `probe` is a check of the address that replaces `ready.kind`.
    """

    command: tuple[str, ...]
    environment: Environment
    directory: Path
    log: Path
    ready: Readiness
    probe: Callable[[Address], Awaitable[bool]] | None = None
