"""Stores are started through testcontainers, without its own reaper: the watcher does that work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

_turn = threading.Lock()


def run(
    image: str, *, environment: dict[str, str], command: list[str] | None, ports: dict[str, Any],
    tmpfs: dict[str, str], arguments: dict[str, Any],
) -> str:  # fmt: skip
    """Start a container and return its id. Blocking; raises docker's errors."""
    for name in ("container", "docker_client"):
        logging.getLogger(f"testcontainers.core.{name}").setLevel(logging.WARNING)
    container = DockerContainer(image)
    container.image = image  # as it was checked, with no prefix from the user's settings
    container.env = dict(environment)
    container.ports = dict(ports)  # its own method for ports would publish them on every address
    container.tmpfs = dict(tmpfs)
    container.with_name(arguments["name"])
    container.with_kwargs(**{key: value for key, value in arguments.items() if key != "name"})
    if command is not None:
        container.with_command(command)
    try:
        with _no_reaper():
            container.start()
        return str(container.get_wrapped_container().id)
    except BaseException:
        if container._container is not None:
            container._container.remove(force=True, v=True)
        raise
    finally:
        container.get_docker_client().client.close()


@contextmanager
def _no_reaper() -> Iterator[None]:
    """The setting belongs to the whole process, which may be a test run with containers of its own: put it back."""
    with _turn:
        before = testcontainers_config.ryuk_disabled
        testcontainers_config.ryuk_disabled = True
        try:
            yield
        finally:
            testcontainers_config.ryuk_disabled = before
