"""What several commands read from their flags."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from verifier.errors import BadInput
from verifier.located import parse_seconds
from verifier.matrix.pairs import safe_name


def seconds(budget: str | None) -> float | None:
    """The --budget flag as seconds. Raises BadInput."""
    if budget is None:
        return None
    found = parse_seconds(budget)
    if found is None:
        raise BadInput.one("--budget", f"must be a duration such as 90s or 5m, not {budget!r}")
    return found


def run_directory(out: Path | None, name: str, share: bool) -> Path:
    """Make a new, empty folder. An existing run is never overwritten.

    Like a recording, it may hold personal data, so only its owner can enter it unless `share` is set.
    """
    directory = out or Path(".verifier") / f"{safe_name(name)}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadInput.one(directory, "already exists and is not an empty folder", key="--out")
    try:
        directory.mkdir(mode=0o777 if share else 0o700, parents=True, exist_ok=True)
        if not share:
            directory.chmod(0o700)  # one that existed may be open to others
    except OSError as error:
        raise BadInput.one(directory, f"cannot be created: {error.strerror}", key="--out") from None
    return directory.resolve()


def examples(*lines: str) -> str:
    """The examples at the end of the help of a command, each on a line of its own."""
    return "\b\n" + "\n".join(["Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])
