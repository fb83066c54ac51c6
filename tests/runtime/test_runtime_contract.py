"""What every runtime must do, on real processes and on real containers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from verifier.errors import BrokenEnvironment
from verifier.runtime import cleanup
from verifier.runtime.base import Address, CommandSpec, Readiness, StartFailure, StoreSpec

Fetch = Callable[..., tuple[int, str]]


def left(run: str) -> list[Any]:
    found, problem = cleanup.find()
    assert problem == "" or all(item.kind in ("process", "folder") for item in found)
    return [item for item in found if item.run == run]


KINDS = (
    Readiness("http", "/healthz"),
    Readiness("tcp", ""),
    Readiness("log", "^listening$"),
    Readiness("command", 'test "$GREETING" = hello'),
)


def test_a_replica_is_ready_when_it_shows_it(world: Any, fetch: Fetch) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            given = (("GREETING", "hello"),)
            specs = [world.replica(ready.kind, "slow", ready, environment=given) for ready in KINDS]
            addresses = await asyncio.gather(*map(runtime.start, specs))
            for spec, address in zip(specs, addresses, strict=True):
                assert isinstance(address, Address)
                assert await runtime.exited(spec.id) is None
                if spec.id != "command":  # whose sign says nothing of the port
                    assert fetch(address, "/GREETING") == (200, "hello")

    asyncio.run(scenario())
    assert left(world.run_id) == []


def test_a_service_without_a_handler_ends_at_the_signal_and_so_do_the_processes_that_it_started(world: Any) -> None:
    """Process 1 of a container would ignore the signal, and be killed only at the end of its grace."""
    code = (
        "import subprocess, time; subprocess.Popen(['sleep', '600'], start_new_session=True); print('up', flush=True)"
    )
    command = ("python3", "-c", f"{code}; time.sleep(600)")

    async def scenario() -> None:
        async with world.opened() as runtime:
            spec = world.replica("plain", ready=Readiness("log", "^up$"), command=command)
            assert isinstance(await runtime.start(spec), Address)
            assert await runtime.stop("plain", "SIGTERM", 60.0) == 143

    asyncio.run(scenario())
    assert left(world.run_id) == []


TEAM = """
import os, signal, subprocess, sys, time
if sys.argv[1:] == ["member"]:
    signal.signal(signal.SIGTERM, lambda *_: (print("member was told", flush=True), os._exit(0)))
    print("up", flush=True)
    time.sleep(600)
member = subprocess.Popen([sys.executable, "-c", os.environ["TEAM"], "member"])
def told(*_):
    print("leader was told", "alone" if member.poll() is None else "with its member", flush=True)
    os._exit(3)
signal.signal(signal.SIGTERM, told)
while True:
    signal.pause()
"""


def test_the_leader_alone_is_told_to_end(world: Any) -> None:
    """As an orchestrator does it: what the leader passes on to its processes is its own business."""

    async def scenario() -> None:
        async with world.opened() as runtime:
            command = ("sh", "-c", 'exec python3 -c "$TEAM"')
            spec = world.replica("a", ready=Readiness("log", "^up$"), command=command, environment=(("TEAM", TEAM),))
            assert isinstance(await runtime.start(spec), Address)
            assert await runtime.stop("a", "SIGTERM", 20.0) == 3
            assert spec.log.read_text().splitlines()[1:] == ["leader was told alone"]

    asyncio.run(scenario())
    assert left(world.run_id) == []


def test_children_of_a_replica_are_listed_while_they_live(world: Any) -> None:
    """Those that left their session and their parent, too. One that has ended and is not waited for does not live."""
    daemon = "import subprocess; subprocess.Popen(['sleep', '602'], start_new_session=True)"
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen(['sleep', '600']); ends = subprocess.Popen(['cat'], stdin=subprocess.PIPE)\n"
        f"subprocess.run([sys.executable, '-c', {daemon!r}]); print('up', flush=True)\n"
        "while not __import__('os').path.exists('/tmp/' + sys.argv[1]): time.sleep(0.01)\n"
        "ends.stdin.close(); time.sleep(600)"
    )
    command = ("python3", "-c", code, world.run_id)

    async def scenario() -> None:
        async with world.opened() as runtime:
            spec = world.replica("a", ready=Readiness("log", "^up$"), command=command)
            assert await runtime.child_processes("a") is None
            assert isinstance(await runtime.start(spec), Address)
            first = await runtime.child_processes("a")
            assert sorted(child.command for child in first) == ["cat", "sleep 600", "sleep 602"]
            assert await runtime.child_processes("a") == first
            goes_on(runtime)
            async with asyncio.timeout(20):
                while len(left := await runtime.child_processes("a")) == 3:  # noqa: ASYNC110 - the runtime is asked
                    await asyncio.sleep(0.01)
            assert set(left) < set(first)
            assert sorted(child.command for child in left) == ["sleep 600", "sleep 602"]
            await runtime.stop("a", "SIGKILL", 0.0)
            assert await runtime.child_processes("a") is None

    def goes_on(runtime: Any) -> None:
        if world.name == "process":
            Path(f"/tmp/{world.run_id}").touch()
        else:
            assert runtime._replicas["a"].executes(["touch", f"/tmp/{world.run_id}"])

    try:
        asyncio.run(scenario())
    finally:
        Path(f"/tmp/{world.run_id}").unlink(missing_ok=True)


def test_a_sign_that_never_comes(world: Any) -> None:
    never = (
        Readiness("http", "/missing", 1.5),
        Readiness("log", "^never printed$", 1.5),
        Readiness("command", "exit 1", 1.5),
    )

    async def scenario() -> None:
        async with world.opened() as runtime:
            specs = [world.replica(ready.kind, ready=ready) for ready in never]
            specs.append(world.replica("tcp", "silent", Readiness("tcp", "", 1.5)))
            for failure in await asyncio.gather(*map(runtime.start, specs)):
                assert isinstance(failure, StartFailure)
                assert failure.reason == "never-ready"
                assert failure.tail.startswith("hello from")
            assert [item for item in left(world.run_id) if item.kind in ("process", "container")] == []

    asyncio.run(scenario())


def test_placeholders_are_filled_in_environment_and_command(world: Any, fetch: Fetch) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            spec = world.replica("a", environment=(("SELF", "http://{host}:{port}/x"), ("JSON", '{"a": {}}')))
            address = await runtime.start(spec)
            assert isinstance(address, Address)
            host, port = ("0.0.0.0", 8080) if world.name == "docker" else ("127.0.0.1", address.port)
            assert fetch(address, "/SELF") == (200, f"http://{host}:{port}/x")
            assert fetch(address, "/JSON") == (200, '{"a": {}}')

    asyncio.run(scenario())


def test_why_a_replica_did_not_start(world: Any) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            broken = await runtime.start(world.replica("broken", "broken"))
            assert isinstance(broken, StartFailure)
            assert (broken.reason, broken.tail) == ("exited", "hello from broken")
            assert "status 3" in broken.detail
            nothing = await runtime.start(world.replica("nothing", command=("no-such-program", "{port}")))
            assert isinstance(nothing, StartFailure)
            assert nothing.reason == "exited"
            assert "no-such-program" in nothing.detail
            assert [item for item in left(world.run_id) if item.kind in ("process", "container")] == []

    asyncio.run(scenario())


def test_the_last_words_are_complete_without_a_line_break(world: Any) -> None:
    """Of commands, and of replicas that end at once: some engines end the stream of a log before them."""
    last = ("sh", "-c", "echo first; printf last; exit 3")

    async def scenario() -> None:
        async with world.opened() as runtime:
            replicas = [world.replica(f"r{number}", command=last) for number in range(5)]
            specs = [CommandSpec(f"c{n}", replica, last, world.directory / f"c{n}.log") for n, replica in
                     enumerate(replicas)]  # fmt: skip
            failures = await asyncio.gather(*map(runtime.start, replicas))
            results = await asyncio.gather(*map(runtime.command, specs))
            assert {failure.tail for failure in failures} == {"first\nlast"}
            assert {(result.exit_code, result.tail) for result in results} == {(3, "first\nlast")}

    asyncio.run(scenario())


def test_the_tail_of_a_failure_is_of_this_start(world: Any) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            spec = world.replica("again", "broken")
            first = await runtime.start(spec)
            second = await runtime.start(spec)
            assert isinstance(first, StartFailure)
            assert first == second
            assert spec.log.read_text().count("hello from broken") == 2

    asyncio.run(scenario())


def test_stop_is_graceful_and_the_log_complete(world: Any) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            spec = world.replica("a")
            assert isinstance(await runtime.start(spec), Address)
            assert await runtime.stop("a", "SIGTERM", 20.0) == 7
            lines = spec.log.read_text().splitlines()
            assert lines[0] == "hello from normal"
            assert lines[2:-1] == [f"farewell {number}" for number in range(2000)]
            assert lines[-1] == "the end"
            assert isinstance(await runtime.start(spec), Address)  # the same replica may be restarted

    asyncio.run(scenario())


def test_who_does_not_stop_is_killed(world: Any, fetch: Fetch) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            address = await runtime.start(world.replica("a", "stubborn"))
            assert isinstance(address, Address)
            assert await runtime.stop("a", "SIGTERM", 0.3) is None
            with pytest.raises(httpx.TransportError):
                fetch(address, "/", 1.0)
            assert isinstance(await runtime.start(world.replica("b")), Address)
            assert await runtime.stop("b", "SIGKILL", 0.0) is None
            assert "the end" not in (world.directory / "b.log").read_text()

    asyncio.run(scenario())


def test_who_is_paused_stands_still_until_it_is_resumed(world: Any, fetch: Fetch) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            address, other = [await runtime.start(world.replica(name)) for name in ("a", "b")]
            assert isinstance(address, Address)
            for _ in range(2):
                assert await runtime.pause("a")
                with pytest.raises(httpx.TimeoutException):
                    await asyncio.to_thread(fetch, address, "/", 0.5)
                assert (await asyncio.to_thread(fetch, other, "/"))[0] == 200
                assert await runtime.exited("a") is None
                await runtime.resume("a")
                assert (await asyncio.to_thread(fetch, address, "/"))[0] == 200
            assert not await runtime.pause("nobody")
            await runtime.resume("nobody")
            assert await runtime.pause("a")
            assert await runtime.stop("a", "SIGKILL", 0.0) is None
            assert await runtime.pause("b")  # and is closed so

    asyncio.run(scenario())
    assert left(world.run_id) == []


def test_an_end_that_nobody_asked_for_is_noticed(world: Any, fetch: Fetch) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            address = await runtime.start(world.replica("a"))
            assert isinstance(address, Address)
            with pytest.raises(httpx.TransportError):
                fetch(address, "/crash")
            async with asyncio.timeout(20):
                while (why := await runtime.exited("a")) is None:  # noqa: ASYNC110 - the runtime is asked, as it is used
                    await asyncio.sleep(0.01)
            assert why == "exited with status 9"
            assert await runtime.stop("a", "SIGTERM", 1.0) == 9

    asyncio.run(scenario())


def test_commands_run_to_the_end(world: Any) -> None:
    async def scenario() -> None:
        async with world.opened(command_limit=1.5) as runtime:
            replica = world.replica("a", environment=(("STEP", "expand"),))
            commands = (("sh", "-c", "echo applied $STEP; exit 4"), ("sh", "-c", "echo on; sleep 600"), ("no-such",))
            logs = [world.directory / f"migrate-{number}.log" for number in range(3)]
            done, endless, missing = await asyncio.gather(
                *(
                    runtime.command(CommandSpec(f"m-{log.stem}", replica, how, log))
                    for how, log in zip(commands, logs, strict=True)
                )
            )
            assert (done.exit_code, done.tail) == (4, "applied expand")
            assert logs[0].read_text() == "applied expand\n"
            assert endless.exit_code == 124
            assert re.fullmatch(r"on\nnot ended within 1.5 s", endless.tail)
            assert missing.exit_code == 127
            assert [item for item in left(world.run_id) if item.kind in ("process", "container")] == []

    asyncio.run(scenario())


def test_replicas_start_side_by_side_and_close_removes_all(world: Any, fetch: Fetch) -> None:
    async def scenario() -> None:
        runtime = world.make()
        await runtime.open()
        specs = [world.replica(f"r{number}", environment=(("NAME", f"r{number}"),)) for number in range(4)]
        addresses = await asyncio.gather(*map(runtime.start, specs))
        assert [fetch(address, "/NAME") for address in addresses] == [(200, f"r{number}") for number in range(4)]
        marked = left(world.run_id)
        assert len([item for item in marked if item.kind in ("process", "container")]) == 4
        assert {item.owner.alive() for item in marked} == {True}
        await runtime.close()
        assert left(world.run_id) == []
        await runtime.close()

    asyncio.run(scenario())


def test_a_start_that_is_cancelled_leaves_nothing(world: Any) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            for wait in (0.0, 0.05, 0.2):
                starting = asyncio.create_task(runtime.start(world.replica(f"late-{wait}", "silent")))
                await asyncio.sleep(wait)  # the moments differ, the outcome must not
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
        assert left(world.run_id) == []

    asyncio.run(scenario())


def test_what_a_version_lacks_for_this_runtime_is_said(world: Any) -> None:
    from dataclasses import replace

    async def scenario() -> None:
        async with world.opened() as runtime:
            spec = replace(world.replica("a"), command=None, image=None)
            with pytest.raises(BrokenEnvironment, match=r"orders 1\.4 has n"):
                await runtime.provide((spec,), ())
            with pytest.raises(BrokenEnvironment, match=r"orders 1\.4 has n"):
                await runtime.start(spec)

    asyncio.run(scenario())


def test_all_works_on_the_loop_that_the_replay_runs_on(world: Any, fetch: Fetch) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            given = (("A", "b"),)
            crash, calm = await asyncio.gather(
                runtime.start(world.replica("crash", environment=given)), runtime.start(world.replica("calm"))
            )
            assert fetch(crash, "/A") == (200, "b")
            assert isinstance(calm, Address)
            assert await runtime.stop("crash", "SIGTERM", 20.0) == 7
            directory = world.directory / "db"
            store = StoreSpec("db", "postgres:15", "postgres", (), None, None, directory, world.directory / "db.log")
            assert (await runtime.start_store(store)).startswith("postgresql://postgres:")
            spec = CommandSpec("m", world.replica("m"), ("sh", "-c", "exit 2"), world.directory / "m.log")
            assert (await runtime.command(spec)).exit_code == 2

    uvloop.run(scenario())
    assert left(world.run_id) == []


def test_cells_have_stores_and_replicas_of_their_own(world: Any, fetch: Fetch) -> None:
    """A store and a service of the same name in each, as paths that run side by side have them."""

    def store(cell: str) -> StoreSpec:
        folder = world.directory / cell
        return StoreSpec("db", "postgres:15", "postgres", (), None, None, folder / "db", folder / "db.log")

    async def scenario() -> None:
        async with world.opened() as runtime:
            cells = {name: runtime.cell(name) for name in ("1", "2")}
            await asyncio.gather(*(cell.open() for cell in cells.values()))
            urls = [await cell.start_store(store(name)) for name, cell in cells.items()]
            assert (urls[0] == urls[1]) == (world.name == "docker"), "each has a network where the name is the same"
            specs = [world.replica(f"a-{name}", environment=(("CELL", name),)) for name in cells]
            places = [await cell.start(spec) for cell, spec in zip(cells.values(), specs, strict=True)]
            assert [fetch(place, "/CELL") for place in places] == [(200, "1"), (200, "2")]
            await cells["1"].close()
            assert fetch(places[1], "/CELL") == (200, "2")
            await cells["2"].check_stores()
            await cells["2"].close()
            assert [item for item in left(world.run_id) if item.kind in ("process", "container")] == []

    asyncio.run(scenario())
    assert left(world.run_id) == []
