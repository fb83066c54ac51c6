"""The histories of paths that run side by side, and how they become one.

    RUN/paths/01-control-old-1/history/…  one folder for each path, in the plan's order

At the end of the run they are merged in this order, so the history does not depend on how many paths ran at once. A run
that was killed keeps its parts, and readers find them.

Merging is safe against a kill at any moment. The whole files are written beside the old ones. Moving the parts away is
the moment from which the whole files count; then each takes its place.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from verifier.files import exists

PARTS, _WHOLE = "paths", "whole"
_CHUNK = 1 << 20  # bytes


def part(directory: Path, number: int, path: str) -> Path:
    """The folder of one path, whose place in the plan is `number`. It is like a run directory with a history alone."""
    return directory / PARTS / f"{number:03}-{path}"


def drop(directory: Path, kept: Iterable[Path]) -> None:
    """Remove every part but these, as if the other paths had never begun."""
    keep = set(kept)
    for folder in _parts(directory):
        if folder not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def files_of(directory: Path, name: str) -> Iterator[Path]:
    """The files of this name whose lines, one after the other, are the run's."""
    whole = directory / "history" / _WHOLE
    if exists(whole / PARTS):
        yield whole / name if exists(whole / name) else directory / "history" / name
        return
    yield directory / "history" / name
    yield from (file for folder in _parts(directory) if exists(file := folder / "history" / name))


def merged(directory: Path, names: Iterable[str]) -> None:
    """Append the files of these names of each part to those of the run. Raises OSError, and then nothing is changed."""
    folder, parts = directory / "history", directory / PARTS
    whole = folder / _WHOLE
    if not exists(whole / PARTS):
        if not parts.is_dir():
            return
        shutil.rmtree(whole, ignore_errors=True)
        try:
            whole.mkdir()
            for name in names:
                with (whole / name).open("wb") as target:
                    for file in files_of(directory, name):
                        _append(file, target)
            parts.rename(whole / PARTS)
        except OSError:
            shutil.rmtree(whole, ignore_errors=True)
            raise
    for name in names:
        if exists(whole / name):
            (whole / name).replace(folder / name)
    shutil.rmtree(whole)


def _parts(directory: Path) -> list[Path]:
    return sorted((directory / PARTS).glob("*"))


def _append(file: Path, target: IO[bytes]) -> None:
    """Copy whole lines: a write that failed may have cut off the last one."""
    rest = b""
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            whole, newline, cut = chunk.rpartition(b"\n")
            if newline:
                target.write(rest + whole + newline)
                rest = cut
            else:
                rest += cut
