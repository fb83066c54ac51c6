"""`--report FORMAT=FILE`: reports beside those of the run directory, any number of them."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from verifier.errors import BadInput
from verifier.rehearsal.judging import load_and_judge, write_texts
from verifier.rehearsal.pairs import has_pairs, load_pairs
from verifier.rehearsal.run_directory import stored_timing
from verifier.report.formats import FORMATS
from verifier.report.pairs_formats import MERGED

RENDERERS = {entry.name: entry.render for entry in FORMATS}
STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Requested:
    """`file` is "-" for standard output."""

    format: str
    file: str


class RequestedType(click.ParamType):  # type: ignore[type-arg] # it takes none before click 8.4
    name = "FORMAT=FILE"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Requested:
        shape, equals, file = str(value).partition("=")
        if shape not in RENDERERS or not equals or not file:
            self.fail(f"{value!r} must be FORMAT=FILE with one of {', '.join(RENDERERS)}", param, context)
        return Requested(shape, file)


REPORTS = click.option(
    "--report",
    "reports",
    type=RequestedType(),
    multiple=True,
    help=f"Also write this report; - is standard output. Repeatable. Formats: {', '.join(RENDERERS)}.",
)


def check_requested(requests: Sequence[Requested]) -> None:
    """Raise BadInput for a file that could not be written at the end of a run."""
    for request in requests:
        if request.file != STDOUT and (why := _unwritable(Path(request.file))):
            raise BadInput.one(request.file, f"cannot be written: {why}", key="--report")


def _unwritable(file: Path) -> str:
    """Why a file cannot be written, "" if it seems that it can."""
    try:
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(file.stat().st_mode):
                return os.strerror(errno.EISDIR)
            return "" if os.access(file, os.W_OK) else os.strerror(errno.EACCES)
        if not stat.S_ISDIR(file.parent.stat().st_mode):
            return os.strerror(errno.ENOTDIR)
        return "" if os.access(file.parent, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        return error.strerror or str(error)


def write_requested(requests: Sequence[Requested], directory: Path) -> None:
    """Render a stored run in every requested format. Raises BadInput if a file cannot be written."""
    if not requests:
        return
    if has_pairs(directory):
        run = load_pairs(directory, {request.format for request in requests})
        texts = {request.format: MERGED[request.format](run) for request in requests}
    else:
        judged = (*load_and_judge(directory), stored_timing(directory))
        texts = {request.format: RENDERERS[request.format](*judged) for request in requests}
    for request in requests:
        _write(request, texts[request.format])


def copy_errors(requests: Sequence[Requested], directory: Path) -> None:
    """What a run without a verdict has to say: its JUnit XML and JSON, and an error for code hosts."""
    with suppress(OSError, ValueError, KeyError):
        document = json.loads((directory / "verdict.json").read_text(encoding="utf-8"))
        message = " ".join(str(document["error"]).split())
        texts = {
            "junit": (directory / "junit.xml").read_text(encoding="utf-8"),
            "json": (directory / "verdict.json").read_text(encoding="utf-8"),
            "github": f"::error title=no verdict::the environment broke: {message.replace('%', '%25')}\n",
            "text": f"The environment broke; no verdict. {message}\n",
        }
        for request in requests:
            if request.format in texts:
                _write(request, texts[request.format])


def _write(request: Requested, text: str) -> None:
    if request.file == STDOUT:
        click.echo(text, nl=False)
        return
    file = Path(request.file)
    try:
        if file.exists() and not file.is_file():  # a pipe or a device
            file.write_text(text, encoding="utf-8")
        else:
            whole = file.resolve()
            write_texts(whole.parent, {whole.name: text})
    except OSError as error:
        raise BadInput.one(request.file, f"cannot be written: {error.strerror or error}", key="--report") from None
