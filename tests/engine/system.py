"""Commands of the operating system, with their output shown only when they fail."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


class Unavailable(Exception):
    """There is no engine, or no image, and none can be had here; the text says why."""


def run(*command: str | Path, environment: Mapping[str, str] | None = None, within: float = 900.0) -> str:
    """Run to the end and return what it printed. Raises Unavailable when it fails or is not there."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=within,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"`{' '.join(words[:3])}` did not run: {error}") from None
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise Unavailable(f"`{' '.join(words[:3])} ...` ended with {done.returncode}:\n{tail}")
    return done.stdout


def have(*programs: str) -> bool:
    return all(shutil.which(program, path=search_path()) for program in programs)


def search_path() -> str:
    """PATH with the folders of system programs, which a user's own PATH may lack."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def install(packages: Sequence[str]) -> None:
    """Install Debian packages. Raises Unavailable where that is not possible."""
    if not have("apt-get") or os.geteuid() != 0:
        raise Unavailable(f"{', '.join(packages)} must be installed, which needs apt-get and root")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with (Path(tempfile.gettempdir()) / "verifier-tests-packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        run("apt-get", "update", "-q", environment=quiet)
        run("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages, environment=quiet)
