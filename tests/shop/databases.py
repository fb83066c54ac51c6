"""Databases for the shop's tests: a SQLite file, or a database of its own in one PostgreSQL container."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator

import docker
import psycopg

IMAGE = "postgres:15"
PASSWORD = "only-for-tests"
READY_SECONDS = 60.0


@contextlib.contextmanager
def postgres(client: docker.DockerClient) -> Iterator[str]:
    """A PostgreSQL server in a container, on loopback; gives the URL of its server without a database."""
    container = client.containers.run(
        IMAGE,
        detach=True,
        environment={"POSTGRES_PASSWORD": PASSWORD},
        ports={"5432/tcp": ("127.0.0.1", 0)},
        labels={"verifier.tests": "shop"},
    )
    try:
        container.reload()
        published = container.ports["5432/tcp"]
        assert published, "the port is published"
        port = published[0]["HostPort"]
        server = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}"
        _wait(f"{server}/postgres")
        yield server
    finally:
        container.remove(force=True, v=True)


def _wait(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def fresh_database(server: str) -> str:
    """A new, empty database; gives its URL."""
    name = f"shop_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"
