"""Writes a first matrix from a Compose file, with comments that name the Compose line where something was left out."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from verifier.compose.deployment import Deployed, Deployment
from verifier.compose.model import Build, Command, ComposeService, Place, port
from verifier.compose.recognise import line, migrates
from verifier.compose.references import matrix_name, own_port, own_port_named, referring, referring_words, store_port
from verifier.files import is_file
from verifier.printable import printable
from verifier.runtime.stores.registered import PROCESS_STORES, of_image

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
_WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "y", "n"])  # which YAML does not read as text
_ADDRESS = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(\d+))?(/[^\s'\"|;)]*)?")
LEAST = 30.0  # seconds that a service has to become ready
INIT = "/docker-entrypoint-initdb.d"


@dataclass(frozen=True, slots=True)
class Target:
    """What the matrix is made for. `folder` is where it will stand: paths are relative to it."""

    service: str
    recording: Path
    folder: Path


def matrix_text(found: Deployment, target: Target) -> str:
    """The matrix as YAML text. It ends with a newline."""
    compose, name = found.compose.name, matrix_name(target.service)
    lines = [
        comment(f"# A first matrix, made from {compose}. `verifier plan` of this file shows what a run does."),
        f"matrix: {name}",
        "services:",
    ]
    for key, entry in found.services.items():
        lines += _service(key, entry, found, target)
    if found.stores:
        lines.append("stores:")
        for key, store in found.stores.items():
            lines += _store(key, store, target)
    old = found.services[target.service].versions[0]
    recording = os.path.relpath(target.recording, target.folder)
    published = found.compose.services[target.service].published or 8080
    if not is_file(target.recording):
        lines += [
            "# Record this file: start the stack, send real traffic to port 9000, and end the recorder with Ctrl-C:",
            comment(
                f"#   verifier record --listen 127.0.0.1:9000 --to http://127.0.0.1:{published} --as {name} "
                f"--out {target.recording}"
            ),
        ]
    lines += [
        "traffic:",
        f"  - {{recording: {scalar(recording)}, client: {quoted(old)}, service: {name}}}",
        f"rollout: {{{found.services[target.service].new.rollout or 'strategy: rolling'}, rollback: ends}}"
        "  # see `verifier plan` for the steps",
    ]
    left = [*found.unused, *found.compose.left]
    if left:
        lines += [comment(f"# Not taken over from {compose}:")]
        lines += [comment(f"#   {at}: {key}: {why}") for at, key, why in sorted(left)]
    return "\n".join(lines) + "\n"


def _service(key: str, entry: Deployed, found: Deployment, target: Target) -> Iterator[str]:
    old, new = entry.old, entry.new
    worker = not _port(old)
    yield f"  {matrix_name(key)}:{' ' * max(1, 36 - len(key))}{comment(f'# {old.place()}')}"
    yield "    kind: worker" if worker else f"    port: {_port(old)}"
    yield f"    ready: {_ready(old, worker)}"
    if old.replicas > 1:
        yield f"    replicas: {old.replicas}"
    if stop := _stop(old):
        yield f"    stop: {{{stop}}}"
    if after := [matrix_name(need) for need in old.needs if need in found.services]:
        yield f"    after: [{', '.join(after)}]"
    shared, own = _environments(entry, found)
    if shared:
        yield "    environment:"
        yield from (f"      {scalar(name)}: {scalar(value)}" for name, value in shared.items())
    if old.env_files:
        files = (os.path.relpath(old.path.parent / file, target.folder) for file in old.env_files)
        yield f"    env_file: [{', '.join(map(scalar, files))}]"
    yield "    versions:  # oldest first"
    versions = [old, new] if entry.upgraded else [old]
    for position, (version, name) in enumerate(zip(versions, entry.versions, strict=False)):
        parts = list(_version(version, entry.migration, position, found, target))
        if own[position]:
            inner = ", ".join(f"{scalar(item)}: {scalar(value)}" for item, value in own[position].items())
            parts.append(f"environment: {{{inner}}}")
        yield f"      {quoted(name)}: {{{', '.join(parts)}}}"
    yield from (comment(f"    # not taken over: {at}: {what}: {why}") for at, what, why in _left(old, entry))


def _version(
    version: ComposeService, migration: ComposeService | None, position: int, found: Deployment, target: Target
) -> Iterator[str]:
    if version.image:
        yield f"image: {scalar(version.image)}"
    if version.build is not None:
        context = os.path.relpath(version.path.parent / version.build.context, target.folder)
        yield f"build: {_build(version.build, context)}"
        yield f"directory: {scalar(context)}"  # where local processes find its files
    if version.command:
        words = own_port(words_of(version.command), _port(version))
        yield f"command: {command(referring_words(words, found.stores))}"
    if migration is not None:
        told = command(referring_words(words_of(migration.command), found.stores))
        yield f"migrate: {{expand: {told}}}" if position else f"prepare: {told}"


def _build(build: Build, context: str) -> str:
    parts = [f"context: {scalar(context)}"]
    if build.dockerfile:
        parts.append(f"dockerfile: {scalar(build.dockerfile)}")
    if build.arguments:
        inner = ", ".join(f"{scalar(name)}: {scalar(value)}" for name, value in build.arguments.items())
        parts.append(f"args: {{{inner}}}")
    return f"{{{', '.join(parts)}}}"


def _left(service: ComposeService, entry: Deployed) -> Iterator[tuple[Place, str, str]]:
    yield from service.left
    for source, inside, at in service.mounts:
        yield Place(service.path.name, at), "volumes", f"{source}:{inside} is not mounted"
    for further in service.ports[1:]:
        yield service.place("ports"), f"port {further}", "a service has one port"
    if migrates(service.command) and entry.migration is None:
        why = "migrates when it starts, which stays so; a migration of its own would be `migrate: {expand: …}`"
        yield service.place("command"), "command", why
    for key in service.build.left if service.build is not None else ():
        yield service.place("build"), f"build.{key}", "a matrix has no such key"


def _environments(entry: Deployed, found: Deployment) -> tuple[dict[str, str], tuple[Mapping[str, str], ...]]:
    """The variables that both versions share, and those of each."""
    both = [
        _named(own_port_named(referring(version.environment, found.stores), _port(version)), found)
        for version in (entry.old, entry.new)
    ]
    shared = {name: value for name, value in both[0].items() if both[1].get(name) == value}
    return shared, tuple({name: value for name, value in each.items() if name not in shared} for each in both)


def _named(environment: Mapping[str, str], found: Deployment) -> dict[str, str]:
    """The values with the names that the services have in the matrix."""
    renamed = {name: matrix_name(name) for name in found.services if matrix_name(name) != name}
    values = dict(environment)
    for name, made in renamed.items():
        pattern = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])")
        values = {key: pattern.sub(made, value) for key, value in values.items()}
    return values


def _store(key: str, store: ComposeService, target: Target) -> Iterator[str]:
    parts = [f"image: {scalar(store.image)}"]
    kind = of_image(store.image)
    if kind is not None and kind.name in PROCESS_STORES:
        parts.append(f"process: {kind.name}")
    if store.environment:
        inner = ", ".join(f"{scalar(name)}: {scalar(value)}" for name, value in store.environment.items())
        parts.append(f"environment: {{{inner}}}")
    if kind is None:
        parts.append(f"port: {store_port(store) or 80}, ready: tcp")
    left = list(store.left)
    for source, inside, at in store.mounts:
        file = store.path.parent / source
        if inside.startswith(INIT) and file.suffix == ".sql" and is_file(file):
            parts.append(f"seed: {scalar(os.path.relpath(file, target.folder))}")
        elif inside:
            left.append((Place(store.path.name, at), "volumes", f"{source}:{inside} is not mounted: stores are fresh"))
    if store.command:
        left.append((store.place("command"), "command", "stores start with the command of their image"))
    yield f"  {matrix_name(key)}: {{{', '.join(parts)}}}  {comment(f'# {store.place()}')}"
    yield from (comment(f"  # not taken over: {at}: {key}.{what}: {why}") for at, what, why in sorted(left))


def _port(service: ComposeService) -> int:
    return next(iter(service.ports), port(service.environment.get("PORT", "")))


def _ready(service: ComposeService, worker: bool) -> str:
    """An address in the command of the health check, else the command itself."""
    within = f"within: {max(LEAST, service.patience):g}s"
    if service.probe is not None and not worker:
        kind, path = service.probe
        return f"{{{kind}: {scalar(path)}, {within}}}" if kind == "http" else kind
    address = _ADDRESS.search(line(service.health))
    if address and not worker and port(address[1] or "80") == _port(service):
        return f"{{http: {scalar(address[2] or '/')}, {within}}}"
    if service.health:
        return f"{{command: {quoted(_shell(service.health))}, {within}}}"
    return '{log: "."}  # the first line of its log; better: what it logs once it works' if worker else "tcp"


def _shell(words: Command) -> str:
    if isinstance(words, str):
        return words
    return shlex.join(words)


def _stop(service: ComposeService) -> str:
    parts = [f"signal: {scalar(service.signal)}"] if service.signal.startswith("SIG") else []
    if service.grace is not None:
        parts.append(f"grace: {service.grace:g}s")
    return ", ".join(parts)


def words_of(declared: Command) -> Command:
    """A line of Compose in words, as Compose itself splits it; it is no line for a shell. One that has none stays."""
    if not isinstance(declared, str):
        return declared
    try:
        return tuple(shlex.split(declared))
    except ValueError:
        return declared


def command(words: Command) -> str:
    """The words of a command as YAML."""
    if isinstance(words, str):
        return quoted(words)
    return f"[{', '.join(map(scalar, words))}]"


def scalar(text: str) -> str:
    """A text as YAML, without quotes where it can do without."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else quoted(text)


def quoted(text: str) -> str:
    """A text in quotes. YAML has the same escapes as JSON, and allows fewer characters to stand as they are."""
    return printable(json.dumps(text, ensure_ascii=False))


def comment(text: str) -> str:
    """Names and values of the Compose file may hold line breaks, which would end a comment."""
    return printable(text).replace("\n", r"\x0a")
