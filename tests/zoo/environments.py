"""Services from PyPI, each in a virtual environment of its own under `.verifier/zoo` beside the project.

An environment is made once; a change of what it is made of makes it anew. Nothing is installed into the environment
that runs this.
"""

from __future__ import annotations

import fcntl
import hashlib
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".verifier" / "zoo"
WITHIN = 300.0  # seconds for one environment


class NotInstalled(Exception):
    """An environment could not be made; the text is what the installer said."""


def ensure(name: str, requirements: Path, *more: str, finish: Callable[[Path], None] | None = None) -> Path:
    """The folder of the environment `name`, made if need be; safe to call from several processes.

    It holds the pinned `requirements`, without what they would bring along, and `more` of the kind `package==version`.
    `finish` adds to a new folder what the packages themselves generate. Raises NotInstalled.
    """
    folder = FOLDER / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, wanted = folder / "made-of", _wanted(requirements, more)
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            # Without a pip of its own: the one at hand installs into it, which saves most of the time.
            venv.create(folder, with_pip=False, symlinks=True)
            command = ("--python", str(folder / "bin" / "python"), "install")
            _pip(name, *command, "--no-deps", "-r", str(requirements), *more)
            if finish is not None:
                finish(folder)
            stamp.write_text(wanted)
    return folder


def _wanted(requirements: Path, more: tuple[str, ...]) -> str:
    pins = hashlib.sha256(requirements.read_bytes()).hexdigest()
    return f"{' '.join((*more, 'requirements'))} {pins}, python {sys.version}\n"


def wheels(folder: Path, requirements: Path) -> None:
    """The wheels of the pinned requirements for an image with Python 3.11, made once. Raises NotInstalled."""
    stamp, wanted = folder / "made-of", _wanted(requirements, ())
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        machine = platform.machine()
        tags = [f"manylinux_2_{minor}_{machine}" for minor in (35, 34, 31, 28, 27, 26, 24, 17, 12, 5)]
        flags = [f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}")]
        flags += ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--no-deps"]
        _pip(requirements.stem, "download", *flags, "-d", str(folder), "-r", str(requirements))
        stamp.write_text(wanted)


def _pip(name: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"pip did not install {name} within {WITHIN:g} s") from None
    if done.returncode:
        raise NotInstalled(f"pip did not install {name}:\n{done.stderr[-2000:]}")
