"""The container that the verifier itself runs in, where the engine that it uses is the one that runs it."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound

from verifier.errors import BrokenEnvironment
from verifier.runtime import engine

# Files that an engine mounts into each container from a folder that is named after it.
_MOUNTED = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
_IDENTITY = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_PODMAN = re.compile(r'^id="([0-9a-f]{64})"', re.MULTILINE)


def find(client: docker.DockerClient, read: Callable[[str], str] | None = None) -> dict[str, Any] | None:
    """The inspected container of this process, or None if the engine does not run it. `read` reads a file."""
    for name in candidates(read or _text, socket.gethostname()):
        try:
            found: dict[str, Any] = client.api.inspect_container(name)
        except NotFound:
            continue
        if str(found["Id"]).startswith(name) and found["State"]["Running"]:
            return found
    return None


def candidates(read: Callable[[str], str], hostname: str) -> Iterator[str]:
    """Ids, perhaps shortened, that may be those of this process' container."""
    for line in read("/proc/self/mountinfo").splitlines():
        fields = line.split()  # the fourth is the mounted path on its own file system, the fifth where it is mounted
        if len(fields) > 4 and fields[4] in _MOUNTED:
            yield from _IDENTITY.findall(fields[3])
    yield from _PODMAN.findall(read("/run/.containerenv"))
    yield from _IDENTITY.findall(read("/proc/self/cgroup"))
    if re.fullmatch(r"[0-9a-f]{12}", hostname):
        yield hostname


def join(client: docker.DockerClient, own: dict[str, Any], network: dict[str, Any]) -> str:
    """Connect the verifier's container to a network of the run. Returns its address there. Raises BrokenEnvironment."""
    # A container that shares the network of another one has no addresses of its own.
    mode = str(own["HostConfig"]["NetworkMode"])
    member = mode.removeprefix("container:") if mode.startswith("container:") else str(own["Id"])
    try:
        client.api.connect_container_to_network(member, network["Id"])
        networks = client.api.inspect_container(member)["NetworkSettings"]["Networks"]
    except engine.FAILURES as error:
        raise BrokenEnvironment(
            f"the verifier runs in the container {own['Id'][:12]}, which cannot join the network of the run: "
            f"{engine.reason(error)}; run this container in a network of bridge type, or with --network host"
        ) from None
    address = (networks.get(network["Name"]) or {}).get("IPAddress")
    if not address:
        raise BrokenEnvironment(f"the verifier's container {own['Id'][:12]} got no IPv4 address in the run's network")
    return str(address)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
