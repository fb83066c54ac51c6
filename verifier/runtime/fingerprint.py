"""What local processes are made of, as digests: the files of their folder, their programs and installed packages.

A digest is None where this cannot be known, because the folder holds too much or a link leads out of it. What a process
uses elsewhere on the machine is not seen, apart from files and folders that its command or environment names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import verifier
from verifier.files import exists
from verifier.runtime.base import Readiness, ReplicaSpec, StoreSpec
from verifier.runtime.stores import postgres

MOST_FILES, MOST_BYTES = 20_000, 256 << 20  # of one folder
# What programs write there by themselves and can make anew.
MADE = frozenset({".git", "__pycache__", ".verifier", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"})
_SYSTEM = re.compile(r"/(usr/(?!local/)|bin/|sbin/|lib|etc/|dev/|proc/|sys/|$)")
_WORDS = re.compile(r"[^\s=\"',;:()]+")
# Where interpreters look for modules, by variables that a process inherits.
_SEARCHED = ("PYTHONPATH", "NODE_PATH", "CLASSPATH", "RUBYLIB", "PERL5LIB")
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


def of_program(name: str, directory: Path, search: str, folders: dict[Path, str | None]) -> str | None:
    """A program by its place, size and time. If it is a Python, the packages beside it, and the files of editable ones.

    `folders` are those that are known already.
    """
    found = shutil.which(str(directory / name) if "/" in name else name, path=search)
    if found is None:
        return None
    real = Path(found).resolve()
    about = real.stat()
    places = list(Path(found).parent.parent.glob("lib*/python*/site-packages"))
    packages = sorted(
        f"{entry.name} {entry.stat().st_mtime_ns}"
        for place in places
        for entry in place.iterdir()
        if entry.suffix in (".dist-info", ".egg-info", ".pth", ".egg-link")
    )
    sources = [_known(folder, folders) for place in places for folder in editable(place)]
    if None in sources:
        return None
    return (
        f"{real} {about.st_size} {about.st_mtime_ns} {hashlib.sha256(repr((packages, sources)).encode()).hexdigest()}"
    )


def editable(place: Path) -> list[Path]:
    """The folders from which packages of a site-packages folder are imported where they are developed.

    Without the verifier's own, which runs no service.
    """
    found: set[Path] = set()
    for file in place.glob("*.dist-info/direct_url.json"):
        with suppress(ValueError, AttributeError):
            about = json.loads(file.read_bytes())
            if about.get("dir_info", {}).get("editable"):
                found.add(Path(url2pathname(urlsplit(about.get("url", "")).path)))
    for file in (*place.glob("*.pth"), *place.glob("*.egg-link")):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        found |= {Path(line.strip()) for line in lines if line.startswith("/")}
    own = Path(verifier.__file__).parent.parent
    return sorted(folder for folder in found if exists(folder) and folder.is_dir() and folder.resolve() != own)


def _known(folder: Path, folders: dict[Path, str | None]) -> str | None:
    if folder not in folders:
        folders[folder] = of_folder(folder)
    return folders[folder]


def of_version(
    spec: ReplicaSpec, commands: Sequence[tuple[str, ...]], search: str, folders: dict[Path, str | None]
) -> str | None:
    """What a version and its commands are made of. `folders` are those that are known already."""
    inherited = [os.environ.get(name, "") for name in _SEARCHED]
    texts = [*(part for command in commands for part in command[1:]), *(value for _, value in spec.environment)]
    texts += [path for value in inherited for path in value.split(os.pathsep)]
    programs = [of_program(command[0], spec.directory, search, folders) for command in commands]
    if None in programs:
        return None
    found = [_known(folder, folders) for folder in (spec.directory, *named(texts, spec.directory))]
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
    return repr((spec.process, [of_program(name, Path("/"), search, folders) for name in programs]))


def named(texts: Iterable[str], directory: Path) -> list[Path]:
    """The files and folders outside of a directory that texts name, each file as the folder that holds it."""
    found: set[Path] = set()
    for word in (word for text in texts for word in _WORDS.findall(text)):
        path = Path(word)
        if not path.is_absolute() or _SYSTEM.match(word) or not exists(path) or path.is_relative_to(directory):
            continue
        found.add(path if path.is_dir() else path.parent)
    return sorted(found)
