"""Fixtures for all tests. A test marked `docker` gets the engine: without one it is skipped, and in CI it fails."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import docker
import pytest

from tests.engine import bootstrap
from tests.engine.system import Unavailable


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("docker") and isinstance(item, pytest.Function):
            item.fixturenames.insert(0, "engine")


@pytest.fixture(scope="session")
def engine_reason() -> str:
    """Why there is no engine with the images for the tests; "" when there is one."""
    try:
        bootstrap.check()
    except Unavailable as reason:
        return str(reason)
    return ""


@pytest.fixture
def engine(engine_reason: str) -> Iterator[docker.DockerClient]:
    """A client of the engine, which has the images of tests.engine.images."""
    if engine_reason and in_ci():
        pytest.fail(f"CI must have a container engine: {engine_reason}", pytrace=False)
    if engine_reason:
        pytest.skip(f"no container engine: {engine_reason}")
    with contextlib.closing(docker.from_env()) as client:
        yield client
