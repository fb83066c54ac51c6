"""The init of a container: it passes signals on and takes in the children that the service leaves behind.

Process 1 of a container ignores every signal that it has no handler for, and nobody waits for its orphans. With an init
the service is an ordinary process, as under the process runtime, and an end is the end of all of it.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import docker
from docker.errors import APIError

from verifier.runtime import engine
from verifier.runtime.base import StartFailure

# Images that bring an init of their own, some of which refuse to be anything but process 1.
OWN = frozenset(
    {"init", "tini", "tini-static", "dumb-init", "catatonit", "systemd", "s6-svscan", "runsvdir", "my_init"}
)
_MISSING = re.compile(r"(docker|container)-init\b|\bcatatonit\b|\binit binary\b")

_NOT_STARTED = re.compile(r"^\[FATAL tini \(\d+\)\] (exec .* failed: .*)$", re.MULTILINE)


class Init:
    """Starts containers with an init, or without one where the image has its own or the engine has none."""

    def __init__(self) -> None:
        self.available = True  # until the engine says otherwise

    def start(
        self, client: docker.DockerClient, image: str, command: list[str] | None, arguments: dict[str, Any]
    ) -> str:
        """Create and start a container; its id. Blocking. Raises what the engine raises, and leaves nothing then."""
        own = brings_init(client.images.get(image).attrs.get("Config") or {}, command)
        while True:
            init = self.available and not own
            try:
                return _started(client, image, command, {**arguments, "init": init})
            except APIError as error:
                if not init or not _MISSING.search(engine.reason(error)):
                    raise
                self.available = False


def brings_init(config: dict[str, Any], command: list[str] | None) -> bool:
    """Whether the first process of an image with this configuration is an init."""
    words = [*(config.get("Entrypoint") or ()), *(command or config.get("Cmd") or ())]
    return bool(words) and PurePosixPath(words[0]).name in OWN


def explained(failure: StartFailure) -> StartFailure:
    """A failure that says which program the init could not start, as the engine does where there is no init."""
    found = _NOT_STARTED.search(failure.tail)
    if failure.reason != "exited" or found is None:
        return failure
    return StartFailure("exited", f"cannot be started: {found[1]}", "")


def _started(client: docker.DockerClient, image: str, command: list[str] | None, arguments: dict[str, Any]) -> str:
    identity = str(client.containers.create(image, command, **arguments).id)
    try:
        client.api.start(identity)
    except engine.FAILURES:
        client.api.remove_container(identity, v=True, force=True)
        raise
    return identity
