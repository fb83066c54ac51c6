"""A SQLite file, for the process runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from verifier.runtime.base import Environment, StoreSpec
from verifier.runtime.stores.kind import LocalStore, StoreKind


async def local(
    spec: StoreSpec, own_folder: Callable[[], Path], complete: Callable[[Environment], dict[str, str]]
) -> LocalStore:
    folder = own_folder()
    folder.mkdir()
    file = folder / f"{spec.name}.sqlite"
    file.touch()
    return LocalStore(None, lambda port: f"sqlite:///{file}")


SQLITE = StoreKind("sqlite", local=local)
