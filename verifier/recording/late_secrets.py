"""A second pass over a written HAR file, for secrets that were met before anything said that they are secret.

A response may give an id under a plain name, and only a later request shows it in a header such as X-Auth-Token. It
must not stay readable, and it must be the same placeholder in both, so that correlation finds where it comes from.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from verifier.recording.entry import parse_entry
from verifier.recording.fields import EntryProblem, SkippedEntry
from verifier.recording.placeholders import Placeholders
from verifier.recording.redact import Redactor


def replace_late(path: Path, known: Sequence[int], redactor: Redactor) -> Placeholders | None:
    """Replace in each entry of `path` what became known after it was written; None if there was nothing.

    The file has one entry on each line. `known` says for each entry how many secrets were known then. Returns the
    placeholders in the requests of the whole file.
    """
    if not known or known[0] == redactor.known:
        return None
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    changed = False
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out, path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines):
                entry = 0 < number <= len(known) and known[number - 1] < redactor.known
                redacted = _redacted(line, redactor.replace_in) if entry else line
                changed = changed or redacted is not line
                out.write(redacted)
            out.flush()
            os.fsync(out.fileno())
        if not changed:
            return None
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return _placeholders(path, len(known))


def _redacted(line: str, replace_in: Callable[[str], str]) -> str:
    """The same object if the entry holds no secret that is known by now."""
    text = line.rstrip("\n")
    end = "," if text.endswith(",") else ""
    entry = json.loads(text.removesuffix(","))
    redacted = _replaced(entry, replace_in)
    return line if redacted == entry else json.dumps(redacted, ensure_ascii=False) + end + "\n"


def _replaced(value: Any, replace_in: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        coding = value.get("encoding", value.get("_encoding"))
        found = {name: _replaced(item, replace_in) for name, item in value.items()}
        if coding == "base64" and isinstance(value.get("text"), str):
            found["text"] = _coded(value["text"], replace_in)
        return found
    if isinstance(value, list):
        return [_replaced(item, replace_in) for item in value]
    return replace_in(value) if isinstance(value, str) else value


def _coded(text: str, replace_in: Callable[[str], str]) -> str:
    """A body that is no text of UTF-8."""
    with suppress(binascii.Error, ValueError):
        plain = base64.b64decode(text, validate=True).decode("utf-8", "surrogateescape")
        if (redacted := replace_in(plain)) != plain:
            return base64.b64encode(redacted.encode("utf-8", "surrogateescape")).decode()
    return text


def _placeholders(path: Path, count: int) -> Placeholders:
    found = Placeholders()
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines):
            if 0 < number <= count:
                with suppress(SkippedEntry, EntryProblem):
                    found.add(parse_entry(json.loads(line.rstrip("\n").removesuffix(",")), number).found.exchange)
    return found
