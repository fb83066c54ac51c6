"""How everything of a run is marked: container labels, environment variables and a folder name."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

LABEL = "verifier.run"
OWNER_LABEL = "verifier.owner"
ENVIRONMENT = "VERIFIER_RUN"
OWNER_ENVIRONMENT = "VERIFIER_OWNER"
TREE_ENVIRONMENT = "VERIFIER_TREE"  # the same in a process that was started and in all that descend from it

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")
_FOLDER = "verifier-run-"
_MEMORY = Path("/dev/shm")
_ROOM = 2 << 30  # bytes


def checked(run_id: str) -> str:
    """The run id, after checking that it is valid in the names of containers and folders."""
    if not _RUN.fullmatch(run_id):
        raise ValueError(f"{run_id!r} cannot name a run: letters, digits, '.', '_' and '-' only, at most 81")
    return run_id


def scratch(run_id: str) -> Path:
    """The folder for temporary data of a run. It is outside the run directory and removed with the run."""
    return temporary() / f"{_FOLDER}{checked(run_id)}"


@lru_cache(maxsize=1)
def temporary() -> Path:
    """The folder for data that a run discards. It is in memory if the machine has enough.

    On a disk, a slow flush by any process can stall a store for seconds, which looks like a fault of the service.
    """
    try:
        if os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
            return _MEMORY
    except OSError:
        pass
    return Path(tempfile.gettempdir())


def scratch_folders() -> dict[str, Path]:
    """The temporary folders of all runs on this machine, by run id."""
    found = temporary().glob(f"{_FOLDER}*")
    return {path.name.removeprefix(_FOLDER): path for path in found if path.is_dir() and not path.is_symlink()}
