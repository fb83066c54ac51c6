"""`$VAR` and `${VAR:-default}` in a Compose file, as Compose fills them in: from `.env`, else the default.

A variable with neither becomes `${env.VAR}`, which a matrix takes from the environment of its caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from verifier.errors import BadInput
from verifier.files import is_file, read_text
from verifier.located import Located

_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^{}]*))?\})")
MOST = 32 * 1024 * 1024  # characters of all texts of a file; itself it has at most a quarter
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)")


def dotenv(folder: Path) -> dict[str, str]:
    """The values of the `.env` file in a folder, {} without one."""
    file = folder / ".env"
    try:
        lines = read_text(file).splitlines() if is_file(file) else []
    except BadInput:
        return {}
    found = (_LINE.fullmatch(line.strip()) for line in lines)
    return {line[1]: line[2].strip().strip("\"'") for line in found if line}


def interpolated(text: str, values: Mapping[str, str], most: int = MOST) -> str | None:
    """The text with its variables filled in; None if it has more than `most` characters then."""
    length = len(text)

    def value(found: re.Match[str]) -> str:
        nonlocal length
        filled_in = one(found)
        length += len(filled_in)
        if length > most:
            raise OverflowError
        return filled_in

    def one(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        name, operator, word = found[2] or found[3], found[4] or "", found[5] or ""
        known = values.get(name)
        present = known is not None and (known != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return word if present else ""
        if present and known is not None:
            return known
        return _VARIABLE.sub(value, word) if operator.endswith("-") else f"${{env.{name}}}"

    try:
        return _VARIABLE.sub(value, text)
    except OverflowError:
        return None


def filled(root: Located, values: Mapping[str, str]) -> Located:
    """The value with every variable in it filled in; keys stay as they are.

    Raises BadInput if that makes too long a text: a short file may name a long value very often.
    """
    added = 0

    def text(at: Located) -> Located:
        nonlocal added
        found = interpolated(at.value, values, MOST - added)
        if found is None:
            raise BadInput.one(at.file, "stands for too long a text", line=at.line, key=at.key)
        added += len(found)
        return replace(at, value=found)

    def inner(at: Located) -> Located:
        if isinstance(at.value, dict):
            return replace(at, value={name: inner(item) for name, item in at.value.items()})
        if isinstance(at.value, list):
            return replace(at, value=[inner(item) for item in at.value])
        return text(at) if isinstance(at.value, str) else at

    return inner(root)
