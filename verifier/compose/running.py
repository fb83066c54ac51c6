"""Where a service of a Compose stack that runs can be reached, as the engine tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker

from verifier.compose.model import ComposeFile
from verifier.errors import BrokenEnvironment
from verifier.runtime import engine, remote

_LABEL = "com.docker.compose"


@dataclass(frozen=True, slots=True)
class Reached:
    """Where one container of a service is reached. `published`: by a port that clients use too; `others` of it run."""

    host: str
    port: int
    published: bool
    others: int = 0


def reached(compose: ComposeFile, service: str) -> Reached:
    """Asks the engine for a container of the service. Raises BrokenEnvironment if none of them can be reached."""
    with engine.connected() as client:
        found = _containers(client, compose.path.resolve(), service)
    if not found:
        told = f"no container of {service} runs, by what the engine says of {compose.path}"
        raise BrokenEnvironment(f"{told}; start the stack: docker compose -f {compose.path} up -d")
    port = next(iter(compose.services[service].ports), 0)
    for container in found:
        if at := _published(container, port):
            return Reached(*at, True, len(found) - 1)
    if port and not remote.is_remote(os.environ.get("DOCKER_HOST", "")):
        for container in found:
            if address := _inner(container):
                return Reached(address, port, False, len(found) - 1)
    told = "publishes no port" if port else "has no port"
    raise BrokenEnvironment(f"{service} {told} by which it can be reached from here; give it one under `ports`")


def _containers(client: docker.DockerClient, path: Path, service: str) -> list[dict[str, Any]]:
    """Running containers of the service, those of the file itself before others of its folder; inspected."""
    try:
        listed = client.api.containers(filters={"label": f"{_LABEL}.service={service}"})
        chosen = []
        for container in listed:
            labels = container.get("Labels") or {}
            files = str(labels.get(f"{_LABEL}.project.config_files", "")).split(",")
            folder = labels.get(f"{_LABEL}.project.working_dir", "")
            if str(path) in files or (folder and Path(folder) == path.parent):
                chosen.append((str(path) not in files, client.api.inspect_container(container["Id"])))
    except engine.FAILURES as error:
        raise BrokenEnvironment(f"the container engine failed: {engine.reason(error)}") from None
    return [container for _, container in sorted(chosen, key=lambda entry: (entry[0], entry[1]["Name"]))]


def _published(container: dict[str, Any], port: int) -> tuple[str, int] | None:
    """Address and port of this machine that lead to the port of a container, or to its only one."""
    every = {inside: bound[0] for inside, bound in (container["NetworkSettings"].get("Ports") or {}).items() if bound}
    bound = every.get(f"{port}/tcp") or (next(iter(every.values())) if len(every) == 1 and not port else None)
    if bound is None:
        return None
    where = os.environ.get("DOCKER_HOST", "")
    anywhere = bound["HostIp"] in ("", "0.0.0.0", "::")
    here = str(urlsplit(where).hostname) if remote.is_remote(where) else "127.0.0.1"
    return here if anywhere else str(bound["HostIp"]), int(bound["HostPort"])


def _inner(container: dict[str, Any]) -> str:
    networks = container["NetworkSettings"].get("Networks") or {}
    return next((str(entry["IPAddress"]) for entry in networks.values() if entry.get("IPAddress")), "")
