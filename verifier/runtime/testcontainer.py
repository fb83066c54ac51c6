"""Starts stores through testcontainers, without its reaper. The watcher cleans up instead."""

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
    # An engine over SSH is reached as by the verifier's own client, which needs no ssh program.
    container = DockerContainer(image, docker_client_kw={"use_ssh_client": False})
    container.image = image  # the checked name, without a prefix from user settings
    container.env = dict(environment)
    container.ports = dict(ports)  # its method for ports would publish them on every address
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
        container.stop(force=True, delete_volume=True)  # if it was created
        raise
    finally:
        container.get_docker_client().client.close()


@contextmanager
def _no_reaper() -> Iterator[None]:
    """Disable the reaper for a moment. The setting is global, and a test run may use containers of its own."""
    with _turn:
        before = testcontainers_config.ryuk_disabled
        testcontainers_config.ryuk_disabled = True
        try:
            yield
        finally:
            testcontainers_config.ryuk_disabled = before
