"""Fixtures for all tests. A test marked `docker` gets the engine: without one it is skipped, and in CI it fails."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import docker
import pytest

from tests.engine import bootstrap, system
from tests.engine.system import Unavailable

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs deaf to Ctrl-C, and their children inherit that: here some are to be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Every test runs what it says. Those of the cache name a folder of their own.
os.environ["VERIFIER_CACHE"] = os.devnull


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def need(program: str) -> None:
    """A server that a test starts. Where it is missing, CI installs Debian's package of the same name; else a skip."""
    if system.have(program):
        return
    if not in_ci():
        pytest.skip(f"there is no {program} on this machine")
    try:
        system.install((program,))
    except Unavailable as reason:
        pytest.fail(f"CI must be able to start {program}: {reason}", pytrace=False)


@pytest.fixture(scope="session")
def engine_client() -> Iterator[docker.DockerClient]:
    """The engine, with the images of tests.engine.images. Without one: a skip, or in CI a failure."""
    try:
        bootstrap.check()
    except Unavailable as reason:
        if in_ci():
            pytest.fail(f"CI must have a container engine: {reason}", pytrace=False)
        pytest.skip(f"no container engine: {reason}")
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture
def engine(engine_client: docker.DockerClient) -> docker.DockerClient:
    """The engine, under the name by which tests ask for it."""
    return engine_client


@pytest.fixture(autouse=True)
def _docker_needs_engine(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("docker"):
        request.getfixturevalue("engine_client")
