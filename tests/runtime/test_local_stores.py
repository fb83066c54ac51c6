"""Stores of the process runtime by one word: files, folders, and servers from the programs on the machine."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from verifier.errors import BrokenEnvironment
from verifier.runtime.base import StoreSpec
from verifier.runtime.stores.registered import PROCESS_STORES, of_store, url

# Stands in for a server: listens where it is told to, and says what the real one says first.
SERVER = """#!/usr/bin/env python3
import os, socket, sys
words = sys.argv[1:]
port = int(os.environ.get("RABBITMQ_NODE_PORT") or words[words.index("--port") + 1])
print("data in", os.environ.get("RABBITMQ_MNESIA_BASE") or words[-1], flush=True)
with socket.create_server(("127.0.0.1", port)) as server:
    while True:
        connection = server.accept()[0]
        if FIRST != b"INFO ":
            connection.recv(64)
        connection.sendall(FIRST)
        connection.close()
"""
SERVERS = {
    "redis": ("redis-server", b"+PONG\r\n", "redis://127.0.0.1:"),
    "nats": ("nats-server", b"INFO ", "nats://127.0.0.1:"),
    "rabbitmq": ("rabbitmq-server", b"\x01\x00", "amqp://guest:guest@127.0.0.1:"),
}


def store(world: Any, name: str, process: str, **changes: Any) -> StoreSpec:
    log = world.directory / f"{name}.log"
    return replace(StoreSpec(name, None, process, (), None, None, world.directory / name, log), **changes)


def told(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if line.startswith("data in ")]


def left(place: str) -> bool:
    return os.path.lexists(place)


def data(log: Path) -> str:
    return told(log)[-1].removeprefix("data in ")


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_a_server_is_started_from_the_program_on_the_machine_and_fresh_each_time(
    kind: str, process_world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, first, begins = SERVERS[kind]
    (tmp_path / program).write_text(SERVER.replace("FIRST", repr(first)))
    (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("verifier.runtime.stores.program._FIRST", ())  # the real one, if it is there

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            spec = store(process_world, "cache", kind)
            await runtime.provide((), (spec,))
            for _ in range(2):
                assert (await runtime.start_store(spec)).startswith(begins)
                await runtime.stop_store("cache")
            assert kind == "redis" or not left(data(spec.log)), "redis keeps its data in memory"
            assert len(told(spec.log)) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(("kind", "package"), [("redis", "redis-server"), ("nats", "nats-server"), ("rabbitmq", "rab")])
def test_a_missing_program_is_told_with_its_package_before_anything_starts(
    kind: str, package: str, process_world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for places in ("_FIRST", "_ALSO"):
        monkeypatch.setattr(f"verifier.runtime.stores.program.{places}", ())

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            with pytest.raises(BrokenEnvironment, match=rf"store cache: .* Debian's package is {package}"):
                await runtime.provide((), (store(process_world, "cache", kind),))

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_file_or_folder_is_fresh_each_time_with_its_content(kind: str, process_world: Any, tmp_path: Path) -> None:
    content = tmp_path / "begin"
    inner = content if kind == "file" else content / "inner"
    inner.parent.mkdir(exist_ok=True)
    inner.write_text("to begin with")

    def used(url: str) -> tuple[Path, str]:
        """Its place and what it holds to begin with; changes it."""
        place = Path(url.removeprefix("file://"))
        assert place.is_file() if kind == "file" else place.is_dir()
        file = place if kind == "file" else place / "inner"
        before = file.read_text() if file.exists() else ""
        file.write_text("changed")
        return place, before

    async def scenario() -> None:
        gone = []
        async with process_world.opened() as runtime:
            for given, wanted in ((None, ""), (content, "to begin with")):
                spec = store(process_world, "files", kind, content=given)
                for _ in range(2):
                    place, before = used(await runtime.start_store(spec))
                    assert before == wanted
                    await runtime.stop_store("files")
                    gone.append(left(str(place)))
        assert gone == [False] * 4

    asyncio.run(scenario())


def test_a_declared_kind_counts_where_the_name_of_the_image_does_not_tell() -> None:
    assert {"redis", "nats", "rabbitmq", "file", "directory"} <= set(PROCESS_STORES)
    found = of_store("registry/our-cache:7", "redis")
    assert found is not None
    assert (found.name, found.port) == ("redis", 6379)
    assert url("registry/our-cache:7", (), "cache", 6379, "redis") == "redis://cache:6379/0"
    assert url("registry/our-cache:7", (), "cache", 6379) == "tcp://cache:6379"
