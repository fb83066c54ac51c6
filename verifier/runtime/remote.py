"""An engine on another machine: between which addresses the verifier and its containers reach each other.

Replicas are reached by ports that are published on the address by which the engine is reached. The gateway listens on
this machine's address on the same way, and admits nobody but the engine's host.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import docker

from verifier.errors import BrokenEnvironment
from verifier.runtime import engine

ANSWERS_WITHIN = 5.0
CALLS_WITHIN = 15
PORTS = {"ssh": 22}  # others have the port of the Docker API


@dataclass(frozen=True, slots=True)
class Ends:
    """The two IPv4 addresses of the way to an engine: that of this machine, and that of the engine's host."""

    here: str
    there: str


def is_remote(docker_host: str) -> bool:
    """Whether DOCKER_HOST names another machine."""
    parts = urlsplit(docker_host)
    if parts.scheme in ("", "unix", "npipe") or not parts.hostname:
        return False
    try:
        return not ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname != "localhost"


def ends(docker_host: str) -> Ends:
    """The addresses of the way to the engine at DOCKER_HOST. Raises BrokenEnvironment."""
    parts = urlsplit(docker_host)
    host, port = _target(parts)
    kind = socket.SOCK_DGRAM if parts.scheme == "ssh" else socket.SOCK_STREAM  # the former sends nothing
    try:
        with socket.socket(socket.AF_INET, kind) as way:
            way.settimeout(ANSWERS_WITHIN)
            way.connect((host, port))
            return Ends(way.getsockname()[0], way.getpeername()[0])
    except OSError as error:
        raise BrokenEnvironment(
            f"the container engine at {docker_host} is not reached over IPv4, by which its containers would have to "
            f"reach the verifier's gateway: {error.strerror or error}; name the engine's host by an IPv4 address in "
            "DOCKER_HOST, run the verifier on the engine's host, or use the process runtime"
        ) from None


def callers(way: Ends, docker_host: str) -> frozenset[str]:
    """The addresses from which the engine's host calls this machine. Blocking. Raises BrokenEnvironment.

    The engine is asked to fetch a file from here, which it does not get. So the way back is tried before anything
    starts, and without an image.
    """
    word = secrets.token_hex(16)
    with socket.create_server((way.here, 0)) as server, contextlib.closing(engine.connect(CALLS_WITHIN)) as client:
        found: list[str] = []
        waiting = threading.Thread(target=_await_call, args=(server, word, found), daemon=True)
        waiting.start()
        why = _ask(client, f"http://{way.here}:{server.getsockname()[1]}/{word}")
        waiting.join(1.0)
    if not found:
        raise BrokenEnvironment(
            f"the container engine at {docker_host} cannot reach this machine at {way.here}, where the verifier's "
            f"gateway would listen for its containers: {why}; let firewalls pass calls from {way.there} to {way.here}, "
            "run the verifier on the engine's host or in a container of that engine, or use the process runtime"
        )
    return frozenset({way.there, *found})


def _ask(client: docker.DockerClient, url: str) -> str:
    try:
        client.api.import_image_from_url(url, repository="verifier-asks")
    except engine.FAILURES as error:
        return engine.reason(error)
    return "it did not call"


def _await_call(server: socket.socket, word: str, found: list[str]) -> None:
    """Answer every caller with 404, until one has asked for the word."""
    server.settimeout(float(CALLS_WITHIN))
    with contextlib.suppress(OSError):
        while not found:
            connection, peer = server.accept()
            with connection:
                connection.settimeout(1.0)
                with contextlib.suppress(OSError):
                    if word.encode() in connection.recv(4096):
                        found.append(peer[0])
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _target(parts: SplitResult) -> tuple[str, int]:
    """Host and port to connect to. For ssh, the names in the user's configuration count, as for the Docker client."""
    host, port = str(parts.hostname), parts.port or PORTS.get(parts.scheme, 2375)
    file = Path(os.environ.get("HOME", "/"), ".ssh", "config")
    if parts.scheme == "ssh" and file.is_file():
        import paramiko

        host = str(paramiko.SSHConfig.from_path(str(file)).lookup(host).get("hostname", host))
    return host, port
