"""The environment of a service or version: `environment` as a mapping or as Compose's list, and `env_file`."""

from __future__ import annotations

from pathlib import Path

from verifier.errors import BadInput
from verifier.files import read_text
from verifier.located import Located, Reader
from verifier.matrix.references import REFERENCE, CallerEnvironment


def read_environment(reader: Reader, at: Located | None, caller: CallerEnvironment) -> dict[str, str]:
    """A mapping, or a list of `NAME=value`. In a list a `NAME` alone takes the caller's value, if there is one."""
    if at is None or not isinstance(at.value, list):
        return dict(reader.pairs(at))
    found = {}
    for item in at.value:
        name, equals, value = reader.text(item).partition("=")
        if not name:
            reader.problem(item, "must be NAME=value or NAME")
        elif equals:
            found[name] = value
        elif (known := caller.get(name)) is not None:
            found[name] = known
    return found


def read_env_files(reader: Reader, at: Located | None, folder: Path, caller: CallerEnvironment) -> dict[str, str]:
    """One file of `NAME=value` lines, or a list of files; the last one counts. As Compose reads them: `#` begins a
    comment, `export` before a name is skipped, quotes around a value are removed.
    """
    found: dict[str, str] = {}
    for item in at.value if at is not None and isinstance(at.value, list) else [at] if at is not None else []:
        file = reader.file(item, folder)
        if file is None:
            continue
        try:
            lines = read_text(file).splitlines()
        except BadInput as error:
            reader.problems += error.problems
            continue
        for number, line in enumerate(lines, 1):
            pair = _pair(line)
            if pair is None:
                continue
            name, value = pair
            place = Located(value, str(file), number, name)
            if not name or any(letter.isspace() for letter in name):
                reader.problem(place, "must be NAME=value")
                continue
            if unknown := [text for text in REFERENCE.findall(value) if text.startswith("stores.")]:
                reader.problem(place, f"${{{unknown[0]}}} works in the matrix alone: move the line to `environment`")
            found[name] = caller.text(reader, place, value)
    return found


def _pair(line: str) -> tuple[str, str] | None:
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    name, equals, value = line.partition("=")
    value = value.strip()
    if value[:1] in ("'", '"') and value[:1] in value[1:]:
        value = value[1 : value.index(value[0], 1)]
    else:
        value = value.partition(" #")[0].rstrip()
    return (name.removeprefix("export ").strip(), value) if equals else ("", "")
