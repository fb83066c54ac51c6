"""The marks by which everything of a run is found again: container labels, environment variables, a folder's name."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

LABEL = "verifier.run"
OWNER_LABEL = "verifier.owner"
ENVIRONMENT = "VERIFIER_RUN"
OWNER_ENVIRONMENT = "VERIFIER_OWNER"

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")
_FOLDER = "verifier-run-"


def checked(run_id: str) -> str:
    """The run id, once it is sure that it can be part of a container's and of a folder's name."""
    if not _RUN.fullmatch(run_id):
        raise ValueError(f"{run_id!r} cannot name a run: letters, digits, '.', '_' and '-' only, at most 81")
    return run_id


def scratch(run_id: str) -> Path:
    """The run's folder for temporary data, outside the run directory and removed with the run."""
    return Path(tempfile.gettempdir()) / f"{_FOLDER}{checked(run_id)}"


def scratch_folders() -> dict[str, Path]:
    """The temporary folders of all runs on this machine, by run id."""
    found = Path(tempfile.gettempdir()).glob(f"{_FOLDER}*")
    return {path.name.removeprefix(_FOLDER): path for path in found if path.is_dir() and not path.is_symlink()}
