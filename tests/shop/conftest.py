"""The shop on SQLite, and on PostgreSQL where there is an engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.shop.databases import fresh_database, postgres
from tests.shop.harness import Psp, Shop


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever starts the services of the shop is slow; no test has to say so."""
    for item in items:
        if "shop" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def postgres_server(engine_client: docker.DockerClient) -> Iterator[str]:
    with postgres(engine_client) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.docker)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return fresh_database(request.getfixturevalue("postgres_server"))


@pytest.fixture
def psp() -> Iterator[Psp]:
    with Psp() as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, database: str, psp: Psp) -> Iterator[Shop]:
    with Shop(tmp_path, database, psp.url) as running:
        yield running
