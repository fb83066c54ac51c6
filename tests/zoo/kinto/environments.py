"""Kinto from PyPI, each release in a virtual environment of its own: `python environments.py` makes them.

They lie in `.verifier/zoo/kinto/RELEASE` beside the project and are made once; a change of the requirements makes
them anew. Nothing is installed into the environment that runs this.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[2] / ".verifier" / "zoo" / "kinto"
RELEASES = ("13.6.4", "13.6.6")
WITHIN = 300.0  # seconds for one environment


class NotInstalled(Exception):
    """An environment could not be made; the text is what pip said."""


def ensure(release: str) -> Path:
    """The folder of a release's environment, made if need be; safe to call from several processes.

    Raises NotInstalled.
    """
    folder = FOLDER / release
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{release}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, wanted = folder / "made-of", _wanted(release)
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, release)
            stamp.write_text(wanted)
    return folder


def _wanted(release: str) -> str:
    pins = hashlib.sha256((HERE / "requirements.txt").read_bytes()).hexdigest()
    return f"kinto {release}, python {sys.version}, requirements {pins}\n"


def _make(folder: Path, release: str) -> None:
    # Without a pip of its own: the one at hand installs into it, which saves most of the time.
    venv.create(folder, with_pip=False, symlinks=True)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    command += ["--no-deps", "--disable-pip-version-check", "-r", str(HERE / "requirements.txt"), f"kinto=={release}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"pip did not install kinto {release} within {WITHIN:g} s") from None
    if done.returncode:
        raise NotInstalled(f"pip did not install kinto {release}:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    for name in RELEASES:
        print(ensure(name))
