"""Reads a Compose file: what a matrix can say too, and what it cannot, with the line of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from verifier.compose.interpolation import dotenv, filled
from verifier.compose.model import Build, Command, ComposeFile, ComposeService, Place, port
from verifier.errors import BadInput
from verifier.located import LONGEST, Located, Reader, load

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_TAKEN = {
    "image", "build", "command", "environment", "env_file", "ports", "expose", "healthcheck", "depends_on", "links",
    "scale", "stop_grace_period", "stop_signal", "volumes", "deploy",
}  # fmt: skip
_ROOT = {"services", "version", "name", "volumes", "networks"}
# Why a matrix has no place for a key.
_WHY = {
    "restart": "the verifier starts and ends replicas itself",
    "networks": "a run has a network of its own",
    "container_name": "replicas are named by the run",
    "hostname": "a service is reached by its name",
    "entrypoint": "write the whole command as `command`, or put the entry point into the image",
    "volumes": "nothing is mounted; put the files into the image",
    "secrets": "name them as ${env.NAME} in `environment`",
    "configs": "put the files into the image",
    "deploy": "only `replicas` has a place in a matrix",
    "labels": "a run sets labels of its own",
    "logging": "logs are kept in the run directory",
    "user": "set it in the image",
    "working_dir": "set it in the image, or begin `command` with cd",
    "profiles": "every service named here is started",
    "extends": "what it adds is not read",
}
_OTHER = "a matrix has no such key"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def looks_like_compose(root: Located) -> bool:
    """Whether a YAML document is a Compose file: services without versions, some with keys that only Compose has."""
    items = root.value if isinstance(root.value, dict) else {}
    services = items.get("services")
    if "traffic" in items or services is None or not isinstance(services.value, dict):
        return False
    every = [item.value for item in services.value.values() if isinstance(item.value, dict)]
    return bool(every) and all("versions" not in item and {"image", "build"} & item.keys() for item in every)


def refuse_compose(path: Path) -> None:
    """Raises BadInput that names `init` if the file is a Compose file. Any other file is left to its reader."""
    if looks_like_compose(load(path)):
        told = "is a Compose file, not a matrix; to make one of it: "
        raise BadInput.one(path, f"{told}verifier init {path} --service NAME --old IMAGE --new IMAGE")


def read(path: Path, values: Mapping[str, str] | None = None) -> ComposeFile:
    """Raises BadInput if the file cannot be read or has no services. `values` stand for those of the `.env` file."""
    root = filled(load(path), dotenv(path.parent) if values is None else values)
    reader = Reader()
    items = reader.mapping(root)
    services = reader.mapping(items.get("services"))
    found = {name: _service(reader, name, item, path) for name, item in services.items()}
    reader.finish()
    if not found:
        raise BadInput.one(path, "has no services: it is not a Compose file")
    keys = [(name, item) for name, item in items.items() if name not in _ROOT and not name.startswith("x-")]
    left = tuple((Place(path.name, item.line), name, _WHY.get(name, _OTHER)) for name, item in keys)
    return ComposeFile(path, found, left, path.name)


def _service(reader: Reader, name: str, at: Located, path: Path) -> ComposeService:
    items = reader.mapping(at)
    environment, lines = _environment(reader, items.get("environment"))
    health = items.get("healthcheck")
    deploy = reader.mapping(items.get("deploy"))
    replicas = deploy.get("replicas", items.get("scale"))
    count = replicas.value if replicas is not None else 1
    stop = items.get("stop_grace_period")
    return ComposeService(
        name,
        at.line,
        path,
        image=reader.text(items.get("image")),
        build=_build(reader, items.get("build")),
        command=_command(reader, items.get("command")),
        environment=environment,
        lines={key: item.line for key, item in items.items()} | lines,
        env_files=tuple(_env_files(reader, items.get("env_file"))),
        ports=tuple(dict.fromkeys(_ports(reader, items))),
        published=_published(items.get("ports")),
        health=_health(reader, health),
        patience=_patience(health),
        needs=tuple(dict.fromkeys([*_names(reader, items.get("depends_on")), *_names(reader, items.get("links"))])),
        replicas=min(20, max(1, count)) if isinstance(count, int) else 1,
        grace=seconds(stop.value) if stop is not None else None,
        signal=reader.text(items.get("stop_signal")),
        mounts=tuple(_mounts(items.get("volumes"))),
        left=tuple((Place(path.name, line), key, why) for line, key, why in _left(items, deploy)),
    )


def _build(reader: Reader, at: Located | None) -> Build | None:
    """A context alone is the short form. An argument without a value is taken from the caller."""
    if at is None or at.value is None:
        return None
    if not isinstance(at.value, dict):
        return Build(reader.text(at))
    items = at.value
    arguments, _ = _environment(reader, items.get("args"))
    left = tuple(key for key in items if key not in ("context", "dockerfile", "args"))
    return Build(reader.text(items.get("context"), "."), reader.text(items.get("dockerfile")), arguments, left)


def _left(items: dict[str, Located], deploy: dict[str, Located]) -> Iterator[tuple[int, str, str]]:
    for key, item in items.items():
        if key not in _TAKEN and not key.startswith("x-"):
            yield item.line, key, _WHY.get(key, _OTHER)
    for key, item in deploy.items():
        if key != "replicas":
            yield item.line, f"deploy.{key}", _WHY["deploy"]


def _environment(reader: Reader, at: Located | None) -> tuple[dict[str, str], dict[str, int]]:
    """Values, and the line of each. A name without a value is taken from the caller."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    if at is not None and isinstance(at.value, list):
        for item in at.value:
            name, equals, value = reader.text(item).partition("=")
            values[name], lines[f"environment.{name}"] = value if equals else f"${{env.{name}}}", item.line
        return values, lines
    for name, item in reader.mapping(at).items():
        if item.value is None:
            values[name] = f"${{env.{name}}}"
        else:
            values[name] = str(item.value).lower() if isinstance(item.value, bool) else reader.text(item)
        lines[f"environment.{name}"] = item.line
    return values, lines


def _command(reader: Reader, at: Located | None) -> Command:
    if at is None or at.value is None:
        return ()
    return reader.texts(at) if isinstance(at.value, list) else reader.text(at)


def _ports(reader: Reader, items: dict[str, Located]) -> Iterator[int]:
    """The ports inside the container."""
    for key in ("ports", "expose"):
        at = items.get(key)
        for item in at.value if at is not None and isinstance(at.value, list) else ():
            text = reader.text(item.value.get("target") if isinstance(item.value, dict) else item)
            number = text.partition("/")[0].rpartition(":")[2].partition("-")[0]
            if found := port(number):
                yield found


def _published(at: Located | None) -> int:
    """The first port of this machine that leads to the service; 0 if there is none."""
    first = at.value[0].value if at is not None and isinstance(at.value, list) and at.value else ""
    text = str(first["published"].value if isinstance(first, dict) and "published" in first else first)
    found = re.fullmatch(r"(?:.*:)?(\d+)(?::\d+(?:/\w+)?)", text) or re.fullmatch(r"(\d+)", text)
    return port(found[1]) if found else 0


def _names(reader: Reader, at: Located | None) -> Iterator[str]:
    for item in at.value if at is not None and isinstance(at.value, list | dict) else ():
        yield (item if isinstance(item, str) else reader.text(item)).partition(":")[0]


def _env_files(reader: Reader, at: Located | None) -> Iterator[str]:
    for item in at.value if at is not None and isinstance(at.value, list) else [at] if at is not None else []:
        yield reader.text(item.value.get("path") if isinstance(item.value, dict) else item)


def _mounts(at: Located | None) -> Iterator[tuple[str, str, int]]:
    for item in at.value if at is not None and isinstance(at.value, list) else ():
        if isinstance(item.value, dict):
            parts = [str(item.value[key].value) if key in item.value else "" for key in ("source", "target")]
        else:
            parts = [*str(item.value).split(":"), ""][:2]
        yield parts[0], parts[1], item.line


def _health(reader: Reader, at: Located | None) -> Command:
    items = at.value if at is not None and isinstance(at.value, dict) else {}
    test = items.get("test")
    if test is None or ("disable" in items and items["disable"].value is True):
        return ()
    if not isinstance(test.value, list):
        return reader.text(test)
    kind, *words = reader.texts(test) or ("",)
    return () if kind == "NONE" else " ".join(words) if kind == "CMD-SHELL" else tuple(words)


def _patience(at: Located | None) -> float:
    """How long Compose waits until a container that never becomes healthy is unhealthy, in seconds."""
    items = at.value if at is not None and isinstance(at.value, dict) else {}

    def duration(key: str, default: float) -> float:
        return seconds(items[key].value) if key in items else default

    retries = items["retries"].value if "retries" in items else 3
    tries = min(retries, 10_000) if isinstance(retries, int) and retries > 0 else 3
    patience = duration("start_period", 0.0) + tries * (duration("interval", 30.0) + duration("timeout", 0.0))
    return min(LONGEST, patience)


def seconds(value: object) -> float:
    """A duration of Compose, such as `1m30s`, at most a year."""
    if isinstance(value, int | float):
        return float(min(max(0, value), LONGEST))
    return min(LONGEST, sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(str(value))))
