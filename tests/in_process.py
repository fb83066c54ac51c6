"""The console script's own entry point, called in this process."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from verifier.cli.main import main


class Told(NamedTuple):
    status: int
    out: str
    err: str


def call(*arguments: str | Path) -> Told:
    """Status, standard output and standard error of `verifier ARGUMENTS`. Output must be encodable, as a terminal's."""
    before = sys.argv
    sys.argv = ["verifier", *(str(word) for word in arguments)]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    finally:
        sys.argv = before
    return Told(status, *(stream.buffer.getvalue().decode("utf-8") for stream in (out, err)))
