"""Any other server: the process runtime starts it with a command."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from verifier.runtime.base import Environment, Readiness, StoreSpec
from verifier.runtime.job import Job
from verifier.runtime.stores.kind import LocalStore, StoreKind

_WITHIN = 30.0


async def local(
    spec: StoreSpec, own_folder: Callable[[], Path], complete: Callable[[Environment], dict[str, str]]
) -> LocalStore:
    command = shlex.split(spec.process) if isinstance(spec.process, str) else list(spec.process or ())
    ready = spec.readiness or Readiness("tcp", "", _WITHIN)
    return LocalStore(Job(tuple(command), spec.environment, spec.directory, spec.log, ready))


COMMAND = StoreKind("command", local=local)
