"""A store that ends or stops answering is noticed, on both runtimes; one that is stopped on purpose is not."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.runtime.engine_proxy import EngineProxy
from verifier.errors import BrokenEnvironment
from verifier.runtime import cleanup, watcher_process
from verifier.runtime import engine as engines
from verifier.runtime.base import StoreSpec
from verifier.runtime.labels import ENVIRONMENT
from verifier.runtime.stores import watch


def hit(world: Any, number: signal.Signals) -> None:
    """Send a signal to everything that runs the store of this run."""
    if world.name == "docker":
        with engines.connected() as client:
            for item in engines.leftovers(client, world.run_id):
                if item.kind == "container":
                    client.api.kill(item.id, number.name)
        return
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "postgres" in process.name() and process.environ().get(ENVIRONMENT) == world.run_id:
                process.send_signal(number)


def postgres(world: Any) -> StoreSpec:
    return StoreSpec(
        "db", "postgres:15", "postgres", (), None, None, world.directory / "db", world.directory / "db.log"
    )


def test_a_store_that_is_killed_is_told_at_once(world: Any) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            told: asyncio.Queue[str] = asyncio.Queue()
            runtime.watch(told.put_nowait)
            await runtime.start_store(postgres(world))
            await runtime.check_stores()
            hit(world, signal.SIGKILL)
            async with asyncio.timeout(30):
                assert (await told.get()).startswith("store db exited with status 137, killed")
            with pytest.raises(BrokenEnvironment, match=r"^store db exited with status 137, killed"):
                await runtime.check_stores()

    asyncio.run(scenario())


def test_a_store_that_stands_still_does_not_answer(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ANSWERS_WITHIN", 1.0)

    async def scenario() -> None:
        async with world.opened() as runtime:
            await runtime.start_store(postgres(world))
            hit(world, signal.SIGSTOP)
            with pytest.raises(BrokenEnvironment, match=r"^store db does not answer within 1 s"):
                await runtime.check_stores()
            hit(world, signal.SIGCONT)
            await runtime.check_stores()

    asyncio.run(scenario())


def test_its_twin_a_store_that_is_stopped_on_purpose_is_no_loss(world: Any) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            told: list[str] = []
            runtime.watch(told.append)
            for _ in range(2):
                await runtime.start_store(postgres(world))
                await runtime.stop_store("db")
            await runtime.check_stores()
        assert told == []

    asyncio.run(scenario())


def test_a_watcher_that_is_killed_is_told_to_all_paths(world: Any) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            told: asyncio.Queue[str] = asyncio.Queue()
            runtime.watch(told.put_nowait)
            cell = runtime.cell("1")
            cell.watch(told.put_nowait)
            (watcher,) = [
                child for child in psutil.Process().children() if "verifier.runtime.watcher" in child.cmdline()
            ]
            watcher.kill()
            async with asyncio.timeout(30):
                for _ in range(2):
                    assert (await told.get()).startswith("the watcher, which cleans up after a killed run, was killed")
            late: list[str] = []
            cell.watch(late.append)
            assert len(late) == 1

    asyncio.run(scenario())


def test_a_watcher_that_stands_still_does_not_respond(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_process, "RESPONDS_WITHIN", 1.0)

    async def scenario() -> None:
        async with world.opened() as runtime:
            await runtime.check_stores()
            children = psutil.Process().children()
            (watcher,) = [child for child in children if "verifier.runtime.watcher" in child.cmdline()]
            watcher.suspend()
            with pytest.raises(BrokenEnvironment, match=r"the watcher, .* does not respond within 1 s"):
                await runtime.check_stores()
            watcher.resume()
            await runtime.check_stores()

    asyncio.run(scenario())


def test_its_twin_a_watcher_that_is_dismissed_is_no_loss(world: Any) -> None:
    async def scenario() -> None:
        told: list[str] = []
        async with world.opened() as runtime:
            runtime.watch(told.append)
        await asyncio.sleep(0)
        assert told == []

    asyncio.run(scenario())


@pytest.mark.docker
def test_an_engine_that_goes_is_told_and_not_its_stores(
    docker_world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = EngineProxy(tmp_path / "e.sock")
    with monkeypatch.context() as patched:
        patched.setenv("DOCKER_HOST", proxy.host)

        async def scenario() -> None:
            async with docker_world.opened() as runtime:
                told: asyncio.Queue[str] = asyncio.Queue()
                runtime.watch(told.put_nowait)
                await runtime.start_store(postgres(docker_world))
                proxy.cut()
                async with asyncio.timeout(30):
                    first = await told.get()
                assert first.startswith("the container engine"), first
                with pytest.raises(BrokenEnvironment, match="the container engine does not answer"):
                    await runtime.check_stores()

        asyncio.run(scenario())
    cleanup.clean([docker_world.run_id])  # its watcher has lost the engine, too
