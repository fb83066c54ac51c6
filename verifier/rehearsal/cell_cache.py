"""Paths that ran before, kept in the user's cache folder: what has not changed need not run again.

    CACHE/KEY/cell.json  history/…  logs/…

An entry is complete or not there: it is made under another name and renamed. Its files are checked against the digests
in `cell.json` when it is used. Entries that were used least recently are removed beyond MOST_BYTES, and those that are
older than MOST_DAYS are not used. Several runs may share the folder. Like a run directory, only its owner can enter it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from verifier.errors import BadInput
from verifier.files import NO_FILE, is_file
from verifier.history.store import read_value, write_value
from verifier.rehearsal.learned import StoredLearned
from verifier.runtime.fingerprint import of_file

MOST_BYTES = 2 << 30
MOST_DAYS = 30.0
DAY = 86400.0
FOLDER = "VERIFIER_CACHE"
CELL = "cell.json"
_PART = ".part-"  # how the name of an entry begins that is being made or removed


@dataclass(frozen=True, slots=True)
class StoredCell:
    """What a path left besides its history and logs. `at` is when it was kept, in seconds since the epoch.

    `counts` are its requests sent, responses received, and requests that failed. `files` are the digests of its files,
    by their place in the entry.
    """

    at: float
    counts: tuple[int, int, int]
    learned: StoredLearned
    files: dict[str, str] = field(default_factory=dict)


def default_folder() -> Path | None:
    """Where paths are kept, as VERIFIER_CACHE or XDG_CACHE_HOME says. None for a user without a home."""
    if named := os.environ.get(FOLDER):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "verifier" / "paths"
    except RuntimeError:  # no HOME, and a user id without an account, as in some containers
        return None


def files_of_path(part: Path, logs: Iterable[Path]) -> dict[str, Path]:
    """The files of a path that has run, by the names that `StoredCell.files` has for them."""
    files = {f"history/{file.name}": file for file in sorted((part / "history").iterdir())}
    return files | {f"logs/{file.name}": file for file in logs if file.is_file()}


def store_cell(part: Path, cell: StoredCell, logs: Iterable[Path]) -> None:
    """Write `cell.json` into the part of a path that has come to its end, with the digests of its files.

    Those of a cell that was taken from the cache are known.
    """
    digests = {name: of_file(file) for name, file in files_of_path(part, logs).items()}
    write_value(part / CELL, replace(cell, files=cell.files or digests))


def copy_files(cell: StoredCell, histories: Path, logs: Path, part: Path, run: Path) -> None:
    """Copy the history of a path from below `histories` to `part`, and its logs from below `logs` to the run directory
    `run`. Raises BadInput if one is damaged, and OSError; nothing is copied then.
    """
    copied: list[Path] = []
    try:
        for name, digest in cell.files.items():
            folder, _, file = name.partition("/")
            if folder not in ("history", "logs") or Path(file).name != file:
                raise BadInput.one(histories, f"names the file {name!r}, which is no file of a path")
            source, target = (logs, run) if folder == "logs" else (histories, part)
            if not is_file(source / name):
                raise BadInput.one(source / name, NO_FILE)
            (target / folder).mkdir(parents=True, exist_ok=True)
            copied.append(target / name)
            shutil.copyfile(source / name, target / name)
            if of_file(target / name) != digest:
                raise BadInput.one(source / name, "is damaged")
    except (BadInput, OSError):
        for place in copied:  # replicas append to their logs
            place.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class CellCache:
    """The cache in one folder. Whatever fails in it, a run goes on as without one."""

    folder: Path
    wall: Callable[[], float] = time.time

    def take(self, key: str, part: Path, run: Path) -> StoredCell | None:
        """Copy the history of an entry to `part`, and its logs to the run directory `run`.

        None if the entry is missing, old or damaged.
        """
        entry = self.folder / key
        try:
            found: StoredCell = read_value(entry / CELL, StoredCell)
            if self.wall() - found.at > MOST_DAYS * DAY:
                return None
            copy_files(found, entry, entry, part, run)
            with suppress(OSError):  # the folder may be read-only
                os.utime(entry / CELL)  # it was used just now
        except (BadInput, OSError):
            shutil.rmtree(part, ignore_errors=True)
            return None
        return found

    def put(self, key: str, cell: StoredCell, part: Path, logs: Iterable[Path]) -> None:
        """Keep the history in `part` and these logs under a key."""
        made = self.folder / f"{_PART}{secrets.token_hex(8)}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            made.mkdir(mode=0o700)
            digests = {}
            for name, file in files_of_path(part, logs).items():
                (made / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(file, made / name)
                digests[name] = of_file(made / name)
            write_value(made / CELL, replace(cell, files=digests))
            self._remove(self.folder / key)
            made.rename(self.folder / key)
        except OSError:  # a full disk, or another run was faster
            shutil.rmtree(made, ignore_errors=True)

    def trim(self) -> None:
        """Remove what was used least recently beyond MOST_BYTES, and what a kill has left unfinished for a day."""
        kept = 0
        with suppress(OSError):
            for used, size, entry in sorted(self._entries(), reverse=True):
                if entry.name.startswith(_PART):
                    if self.wall() - used > DAY:
                        shutil.rmtree(entry, ignore_errors=True)
                    continue
                kept += size
                if kept > MOST_BYTES:
                    self._remove(entry)

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        for entry in self.folder.iterdir():
            with suppress(OSError):
                about = (entry / CELL if (entry / CELL).exists() else entry).stat()
                yield about.st_mtime, sum(file.stat().st_size for file in entry.rglob("*") if file.is_file()), entry

    def _remove(self, entry: Path) -> None:
        """Rename it first, so that no reader finds half of it."""
        gone = self.folder / f"{_PART}{secrets.token_hex(8)}"
        with suppress(OSError):
            entry.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
