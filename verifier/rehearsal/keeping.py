"""The cache as one run uses it: what has not changed is taken from it, and what has run is kept in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.rehearsal.cell import Cell
from verifier.rehearsal.cell_cache import CellCache, StoredCell
from verifier.rehearsal.cell_key import CellKeys
from verifier.rehearsal.prepare import Prepared
from verifier.runtime.base import Runtime


@dataclass(slots=True)
class Keeping:
    """`runtime` must be open, with its images provided, before `begin`."""

    cache: CellCache
    prepared: Prepared
    runtime: Runtime
    directory: Path
    wall: Callable[[], float]
    _keys: CellKeys | None = None

    async def begin(self) -> None:
        """Make the keys of the files and images as they are now."""
        self._keys = await CellKeys.of(self.prepared, self.runtime, self.directory)

    def take(self, cell: Cell) -> StoredCell | None:
        """Take a path from the cache, with its history and logs; None if it has to run."""
        key = _key(self._keys, cell)
        return self.cache.take(key, cell.folder, self.directory) if key else None

    async def keep(self, cells: Sequence[Cell]) -> None:
        """Put what has run into the cache, unless a file or an image was changed meanwhile."""
        if not any(cell.ended for cell in cells):
            return
        now = await CellKeys.of(self.prepared, self.runtime, self.directory)
        for cell in cells:
            key = _key(now, cell)
            if cell.ended and not cell.path.confirms and key is not None and key == _key(self._keys, cell):
                stored = StoredCell(self.wall(), cell.counts, cell.learned.stored())
                self.cache.put(key, stored, cell.folder, cell.logs)
        self.cache.trim()


def _key(keys: CellKeys | None, cell: Cell) -> str | None:
    return None if keys is None else keys.key(cell.path, cell.number, cell.known.misfits)
