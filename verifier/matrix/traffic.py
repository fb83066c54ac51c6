"""The `traffic` part of a matrix: recordings, their correlation rules, and the sources of their secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from verifier.located import Located, Reader
from verifier.matrix.computed import read_computed
from verifier.matrix.model import Traffic, TrafficRules
from verifier.matrix.traffic_rules import ComputedRule, Credential, ExchangePattern

_KEYS = ("recording", "client", "service", "session-header", "rules", "credentials", "include", "exclude")
_PATTERN = re.compile(r"(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+) +)?([/*]\S*)")  # a method (RFC 9110, 5.6.2) and a path
_PLACEHOLDER = re.compile(r"redacted-[A-Za-z0-9_-]*[A-Za-z0-9]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_traffic(
    reader: Reader, at: Located | None, services: Located | None, names: tuple[str, ...], folder: Path
) -> tuple[Traffic, ...]:
    """The recordings. `services` is that part of the matrix; `names` are the declared services."""
    found = []
    versions = set(_version_names(services))
    serving = tuple(name for name in names if not _is_worker(services, name))
    if names and not serving and at is not None:
        reader.problem(at, "has no service to go to: all are workers")
    for item in reader.items(at):
        items = reader.mapping(item, _KEYS)
        if "recording" not in items:
            reader.problem(item, "needs 'recording', a file of recorded traffic")
        recording = reader.file(items.get("recording"), folder)
        service = reader.choice(items.get("service"), serving, serving[0] if serving else "")
        client = reader.text(items.get("client"))
        if client and client not in versions:
            reader.problem(items["client"], f"no service has a version {client!r}")
        header = reader.text(items["session-header"]) if "session-header" in items else None
        rules = _rules(reader, items.get("rules"))
        computed = _computed(reader, items.get("rules"), folder)
        credentials = _credentials(reader, items.get("credentials"), folder)
        if recording is not None:
            filters = (_patterns(reader, items.get("include")), _patterns(reader, items.get("exclude")))
            found.append(Traffic(recording, client, service, header, rules, credentials, *filters, computed))
    if at is not None and isinstance(at.value, list) and not at.value:
        reader.problem(at, "names no recording")
    return tuple(found)


def _is_worker(services: Located | None, name: str) -> bool:
    item = services.value.get(name) if services is not None and isinstance(services.value, dict) else None
    kind = item.value.get("kind") if item is not None and isinstance(item.value, dict) else None
    return kind is not None and kind.value == "worker"


def _version_names(services: Located | None) -> Iterator[str]:
    for item in services.value.values() if services is not None and isinstance(services.value, dict) else ():
        versions = item.value.get("versions") if isinstance(item.value, dict) else None
        if versions is not None and isinstance(versions.value, dict):
            yield from versions.value


def _patterns(reader: Reader, at: Located | None) -> tuple[ExchangePattern, ...]:
    """A list of `METHOD /path` or `/path`, where the path is a glob."""
    found = []
    for item in reader.items(at):
        text = reader.text(item)
        parts = _PATTERN.fullmatch(text)
        if parts is None:
            reader.problem(item, f'must be a path or a method and a path, such as "GET /static/*", not {text!r}')
        else:
            found.append(ExchangePattern((parts.group(1) or "").upper(), parts.group(2), item.line, item.key))
    return tuple(found)


def _rules(reader: Reader, at: Located | None) -> TrafficRules:
    items = reader.mapping(at, ("flows", "keep", "fresh", "computed"))
    flows = []
    for item in reader.items(items.get("flows")):
        pair = reader.mapping(item, ("from", "to"))
        if set(pair) == {"from", "to"}:
            flows.append((reader.text(pair["from"]), reader.text(pair["to"])))
        else:
            reader.problem(item, "needs 'from' and 'to', two runtime expressions")
    return TrafficRules(tuple(flows), reader.texts(items.get("keep")), reader.texts(items.get("fresh")))


def _computed(reader: Reader, at: Located | None, folder: Path) -> tuple[ComputedRule, ...]:
    items = at.value if at is not None and isinstance(at.value, dict) else {}

    def credential(placeholder: str, kind: str, value: Located) -> Credential | None:
        return _credential(reader, placeholder, kind, value, folder)

    return read_computed(reader, items.get("computed"), _patterns, credential)


def _credentials(reader: Reader, at: Located | None, folder: Path) -> tuple[Credential, ...]:
    """`PLACEHOLDER: {env: NAME}` or `PLACEHOLDER: {file: PATH}`; a matrix never contains the value itself."""
    found = []
    for placeholder, item in reader.mapping(at).items():
        if not _PLACEHOLDER.fullmatch(placeholder):
            reader.problem(item, f"{placeholder!r} is not a placeholder of a recording, such as redacted-0123abcd")
        if not isinstance(item.value, dict):
            reader.problem(
                item, "needs 'env', a variable's name, or 'file', a path; a matrix must not contain the secret itself"
            )
            continue
        source = reader.mapping(item, ("env", "file"))
        if len(source) != 1:
            reader.problem(item, "needs either 'env' or 'file'")
        for kind, value in source.items():
            credential = _credential(reader, placeholder, kind, value, folder)
            found += [credential] if credential is not None else []
    return tuple(found)


def _credential(reader: Reader, placeholder: str, kind: str, at: Located, folder: Path) -> Credential | None:
    text, where = reader.text(at), (at.line, at.key)
    if kind == "env":
        if not _VARIABLE.fullmatch(text):
            reader.problem(at, "must be the name of an environment variable: letters, digits and underscores")
        return Credential(placeholder, "env", text, *where)
    return Credential(placeholder, "file", str((folder / text).resolve()), *where) if kind == "file" else None
