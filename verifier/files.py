"""The one way to read a file that a user names: a regular file of bounded size, never a pipe or a device."""

from __future__ import annotations

import codecs
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from verifier.errors import BadInput

LARGEST = 256 * 1024 * 1024  # bytes of a file that is read at once
_GROWTH = 65536  # bytes that a file may have beyond its size, as those of /proc
NO_FILE = "not a regular file"


def resolved(folder: Path, name: str) -> Path | None:
    """The absolute path of a name relative to a folder; None if no file can have such a name."""
    try:
        path = folder / name
        os.fsencode(path)
        return path.resolve()
    except (OSError, ValueError, RuntimeError):  # a NUL, a lone surrogate, a loop of symbolic links
        return None


def is_file(path: Path | None) -> bool:
    """Whether there is a regular file, behind symbolic links too."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_folder(path: Path | None) -> bool:
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def exists(path: Path | None) -> bool:
    return _mode(path) is not None


def _mode(path: Path | None) -> int | None:
    try:
        return os.stat(path).st_mode if path is not None else None  # noqa: PTH116 - `Path.stat` raises the same
    except (OSError, ValueError):
        return None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading. Raises BadInput if it cannot be read, in the block too."""
    try:
        with _open(path) as stream:
            yield stream
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise  # the machine lacks it, not the file
        raise BadInput.one(path, f"cannot be read: {error.strerror or error}") from None


def size(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_size


def _open(path: Path) -> BinaryIO:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a device may have effects
            raise BadInput.one(path, f"cannot be read: {NO_FILE}")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a NUL or a lone surrogate in the name
        raise BadInput.one(path, f"cannot be read: {error}") from None
    stream = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        stream.close()
        raise BadInput.one(path, f"cannot be read: {NO_FILE}")
    return stream


def read_bytes(path: Path, most: int = LARGEST) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises BadInput."""
    with opened(path) as stream:
        data = b"" if size(stream) > most else stream.read(size(stream) + _GROWTH)
        if size(stream) > most or stream.read(1):
            raise BadInput.one(path, f"is too large: more than {most} bytes")
    return data


def read_text(path: Path, most: int = LARGEST, key_at: Callable[[str, int], str] = lambda text, line: "") -> str:
    """The content of a UTF-8 file, without a byte order mark. Raises BadInput for a wrong byte, with its line.

    `key_at` gives the key of what begins on a line of a text, or before it.
    """
    data = read_bytes(path, most).removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        key = key_at(data[: error.start].decode(), line)
        raise BadInput.one(path, f"is not UTF-8 text: byte 0x{data[error.start]:02x}", line=line, key=key) from None
