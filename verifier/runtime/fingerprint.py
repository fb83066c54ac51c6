"""What local processes are made of, as digests: the files of their folder, their programs and installed packages.

A digest is None where this cannot be known, because the folder holds too much or a link leads out of it. What a process
uses elsewhere on the machine is not seen, apart from files and folders that its command or environment names.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from verifier.files import exists
from verifier.runtime.base import Readiness, ReplicaSpec, StoreSpec
from verifier.runtime.stores import postgres

MOST_FILES, MOST_BYTES = 20_000, 256 << 20  # of one folder
# What programs write there by themselves and can make anew.
MADE = frozenset({".git", "__pycache__", ".verifier", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"})
_SYSTEM = re.compile(r"/(usr/(?!local/)|bin/|sbin/|lib|etc/|dev/|proc/|sys/|$)")
_WORDS = re.compile(r"[^\s=\"',;:()]+")
_SERVERS = ("redis-server", "valkey-server", "nats-server", "rabbitmq-server", "psql")


def of_file(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def of_folder(root: Path) -> str | None:
    """Names, modes and contents of everything in a folder. Run directories and what is MADE do not count."""
    total, files, size = hashlib.sha256(), 0, 0
    if root == Path(root.anchor):
        return None
    try:
        for folder, names, found in os.walk(root):
            here = Path(folder)
            names[:] = sorted(name for name in names if name not in MADE and not _is_run(here / name))
            for name in sorted([*found, *(name for name in names if (here / name).is_symlink())]):
                path = here / name
                about = path.lstat()
                files, size = files + 1, size + about.st_size
                if files > MOST_FILES or size > MOST_BYTES:
                    return None
                if path.is_symlink():
                    if not path.resolve().is_relative_to(root.resolve()):
                        return None
                    content = f"link {path.readlink()}"
                else:
                    content = of_file(path) if path.is_file() else "special"
                total.update(f"{path.relative_to(root)}\0{about.st_mode:o}\0{content}\0".encode(errors="replace"))
    except OSError:
        return None
    return total.hexdigest()


def _is_run(folder: Path) -> bool:
    return exists(folder / "plan.json") and exists(folder / "history")


def of_program(name: str, directory: Path, search: str) -> str | None:
    """A program by its place, size and time, and the packages installed beside it if it is a Python."""
    found = shutil.which(str(directory / name) if "/" in name else name, path=search)
    if found is None:
        return None
    real = Path(found).resolve()
    about = real.stat()
    packages = sorted(
        f"{entry.name} {entry.stat().st_mtime_ns}"
        for place in Path(found).parent.parent.glob("lib*/python*/site-packages")
        for entry in place.iterdir()
        if entry.suffix in (".dist-info", ".egg-info", ".pth", ".egg-link")
    )
    return f"{real} {about.st_size} {about.st_mtime_ns} {hashlib.sha256(repr(packages).encode()).hexdigest()}"


def of_version(
    spec: ReplicaSpec, commands: Sequence[tuple[str, ...]], search: str, folders: dict[Path, str | None]
) -> str | None:
    """What a version and its commands are made of. `folders` are those that are known already."""
    texts = [*(part for command in commands for part in command[1:]), *(value for _, value in spec.environment)]
    programs = [of_program(command[0], spec.directory, search) for command in commands]
    if None in programs:
        return None
    found = []
    for folder in (spec.directory, *named(texts, spec.directory)):
        if folder not in folders:
            folders[folder] = of_folder(folder)
        found.append(folders[folder])
    return None if None in found else repr((programs, found))


def of_store(spec: StoreSpec, search: str, folders: dict[Path, str | None]) -> str | None:
    """What a store is made of: the programs of its kind, or what its command names."""
    if isinstance(spec.process, tuple):
        replica = ReplicaSpec(
            spec.name, "", "", 0, None, None, spec.process, Path(__file__).parent, spec.environment, (),
            Readiness("tcp", ""), spec.log,
        )  # fmt: skip
        return of_version(replica, [spec.process], search, folders)
    servers = [str(postgres.binaries(spec.image))] if spec.process == "postgres" else []
    programs = (*(f"{folder}/postgres" for folder in servers), *_SERVERS)
    return repr((spec.process, [of_program(name, Path("/"), search) for name in programs]))


def named(texts: Iterable[str], directory: Path) -> list[Path]:
    """The files and folders outside of a directory that texts name, each file as the folder that holds it."""
    found: set[Path] = set()
    for word in (word for text in texts for word in _WORDS.findall(text)):
        path = Path(word)
        if not path.is_absolute() or _SYSTEM.match(word) or not exists(path) or path.is_relative_to(directory):
            continue
        found.add(path if path.is_dir() else path.parent)
    return sorted(found)
