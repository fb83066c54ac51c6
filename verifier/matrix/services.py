"""The `services` part of a matrix: services, their versions, readiness and how they stop."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from verifier.files import is_file
from verifier.located import Located, Reader
from verifier.matrix.environments import read_env_files, read_environment
from verifier.matrix.model import KINDS, Migrations, Service, StopPolicy, Version
from verifier.matrix.references import CallerEnvironment
from verifier.runtime.base import Build, Readiness

SHARED = (
    "image", "build", "command", "directory", "environment", "env_file", "contract", "migrate", "prepare", "seed",
)  # fmt: skip
OWN = ("kind", "port", "ready", "replicas", "stop", "versions", "after")


def read_service(reader: Reader, name: str, at: Located, folder: Path, caller: CallerEnvironment) -> Service | None:
    """One service. Its keys apply to each of its versions, unless a version overrides them."""
    items = reader.mapping(at, (*SHARED, *OWN))
    shared = {key: items[key] for key in SHARED if key in items}
    versions = tuple(
        _version(reader, version, item, shared, folder, caller)
        for version, item in reader.mapping(items.get("versions")).items()
    )
    _check_used(reader, reader.mapping(items.get("versions")), shared)
    if not versions:
        reader.problem(items.get("versions", at), f"service {name!r} needs its versions, oldest first")
    kind = reader.choice(items.get("kind"), KINDS, KINDS[0])
    port, ready = _worker(reader, at, items) if kind == "worker" else _web(reader, at, items)
    stop = reader.mapping(items.get("stop"), ("signal", "grace", "drain", "late-removal", "wait"))
    known_signals = [entry.name for entry in signal.Signals]
    service = Service(
        name=name,
        port=port,
        replicas=reader.whole(items.get("replicas"), 1, 1, 20),
        ready=ready,
        stop=StopPolicy(
            reader.choice(stop.get("signal"), known_signals, "SIGTERM"),
            reader.seconds(stop.get("grace"), 10.0),
            reader.seconds(stop.get("drain"), 1.0),
            reader.seconds(stop.get("late-removal"), 1.0),
            reader.seconds(stop.get("wait"), 0.0),
        ),
        versions=versions,
        kind=kind,
        after=reader.texts(items["after"]) if "after" in items else (),
    )
    return service if versions else None


def _web(reader: Reader, at: Located, items: dict[str, Located]) -> tuple[int, Readiness]:
    if "port" not in items:
        reader.problem(at, "needs 'port', the port that the service listens on; without one declare kind: worker")
    ready = read_readiness(reader, items["ready"]) if "ready" in items else Readiness("tcp", "")
    return reader.whole(items.get("port"), 80, 1, 65535), ready


def _worker(reader: Reader, at: Located, items: dict[str, Located]) -> tuple[int, Readiness]:
    """A worker answers nobody, so it shows in another way that it is ready."""
    if "port" in items:
        reader.problem(items["port"], "a worker has no port: no request is sent to it")
    if "ready" not in items:
        reader.problem(at, "a worker needs 'ready': {log: REGEX} or {command: LINE}")
        return 0, Readiness("log", "")
    ready = read_readiness(reader, items["ready"])
    if ready.kind not in ("log", "command"):
        reader.problem(items["ready"], "must be {log: REGEX} or {command: LINE}: a worker has no port")
    return 0, ready


def _check_used(reader: Reader, versions: dict[str, Located], shared: dict[str, Located]) -> None:
    """Refuse keys without effect. The oldest version's are used on fresh stores, the newest one's in the rollout."""
    for position, item in enumerate(versions.values()):
        own = item.value if isinstance(item.value, dict) else {}
        for key in ("prepare", "seed") if position else ():
            if key in own:
                reader.problem(own[key], "has no effect: fresh stores are made ready for the oldest version")
        migrate = own.get("migrate")
        if position or migrate is None:
            continue
        if "prepare" in {**shared, **own}:
            reader.problem(migrate, "has no effect: `prepare` makes fresh stores ready for this version")
        elif isinstance(migrate.value, dict) and "undo" in migrate.value:
            reader.problem(migrate.value["undo"], "has no effect: nothing is older than this version")


def _version(
    reader: Reader, name: str, at: Located, shared: dict[str, Located], folder: Path, caller: CallerEnvironment
) -> Version:
    own = reader.mapping(at, SHARED)
    items = {**shared, **own}
    if not {"image", "build", "command"} & set(items):
        reader.problem(at, f"version {name!r} needs an 'image', a 'build' context or a 'command'")
    directory = reader.folder(items["directory"], folder) if "directory" in items else folder
    if not name.strip() or not name.isprintable():
        reader.problem(at, "the name of a version must be text without control characters, and not empty")
    environment: dict[str, str] = {}
    for section in (shared, own):
        environment |= read_env_files(reader, section.get("env_file"), folder, caller)
        environment |= read_environment(reader, section.get("environment"), caller)
    return Version(
        name=name,
        image=reader.text(items["image"]) if "image" in items else None,
        build=_build(reader, items["build"], folder) if "build" in items else None,
        command=_command(reader, items.get("command")),
        directory=directory,
        environment=tuple(sorted(environment.items())),
        contract=reader.file(items.get("contract"), folder),
        migrations=_migrations(reader, items.get("migrate")),
        prepare=_command(reader, items.get("prepare")) or (),
        seed=_command(reader, items.get("seed")) or (),
    )


def _build(reader: Reader, at: Located, folder: Path) -> Build:
    if isinstance(at.value, str):
        context, items = at, {}
    else:
        items = reader.mapping(at, ("context", "dockerfile", "args"))
        context = items.get("context", at)
    known = len(reader.problems)
    path = reader.folder(context, folder, "build context") if isinstance(context.value, str) else folder
    dockerfile = reader.text(items.get("dockerfile"), "Dockerfile")
    if len(reader.problems) == known and not is_file(path / dockerfile):
        reader.problem(items.get("dockerfile", context), f"there is no {dockerfile} in {path}")
    return Build(path, dockerfile, reader.pairs(items.get("args")))


def _command(reader: Reader, at: Located | None) -> tuple[str, ...] | None:
    """A command: a list of words, or one line for a shell."""
    if at is None:
        return None
    if isinstance(at.value, str):
        return ("sh", "-c", at.value)
    words = reader.texts(at)
    if not words:
        reader.problem(at, "must not be empty")
    return words


def _migrations(reader: Reader, at: Located | None) -> Migrations:
    items = reader.mapping(at, ("expand", "migrate", "contract", "undo"))
    return Migrations(**{name: _command(reader, item) or () for name, item in items.items() if name in _STAGES})


_STAGES = ("expand", "migrate", "contract", "undo")


def read_readiness(reader: Reader, at: Located) -> Readiness:
    """`ready: /healthz`, `ready: tcp`, or a mapping: one of http, log, command and tcp, and `within`."""
    if isinstance(at.value, str):
        if at.value == "tcp":
            return Readiness("tcp", "")
        if at.value.startswith("/"):
            return Readiness("http", at.value)
        reader.problem(at, "must be a path such as /healthz, the word tcp, or a mapping with http, log or command")
        return Readiness("tcp", "")
    items = reader.mapping(at, ("http", "log", "command", "tcp", "within"))
    within = reader.seconds(items.get("within"), 30.0, above=0.0)
    kinds = [kind for kind in ("http", "log", "command", "tcp") if kind in items]
    if len(kinds) != 1:
        reader.problem(at, "must name one of http, log, command and tcp")
        return Readiness("tcp", "", within)
    if kinds[0] == "log":
        return Readiness("log", _pattern(reader, items["log"]), within)
    if kinds[0] == "http":
        return Readiness("http", reader.text(items["http"]), within)
    if kinds[0] == "command":
        return Readiness("command", reader.text(items["command"]), within)
    return Readiness("tcp", "", within)


def _pattern(reader: Reader, at: Located) -> str:
    text = reader.text(at)
    try:
        re.compile(text)
    except re.error as error:
        reader.problem(at, f"is not a regular expression: {error}")
        return ".*"
    return text
