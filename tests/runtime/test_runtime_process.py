"""What only local processes have: shared ports, shared files, local servers as stores."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from verifier.errors import BrokenEnvironment
from verifier.runtime import leftovers, ports
from verifier.runtime.base import Address, CommandSpec, Readiness, StartFailure, StoreSpec
from verifier.runtime.labels import ENVIRONMENT, scratch
from verifier.runtime.stores import postgres

STRANGER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"stranger")
    def log_message(self, *rest):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


class Loaded(random.Random):
    """Chooses given ports first."""

    def __init__(self, *first: int) -> None:
        super().__init__(0)
        self.first = list(first)

    def randrange(self, *bounds: Any) -> int:
        return self.first.pop(0) if self.first else super().randrange(*bounds)


CACHE = """
import os, socket, sys
with open(sys.argv[2] + "/data", "w") as file:
    file.write(os.environ["HOW"])
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()[0].close()
"""


@pytest.fixture
def stranger() -> Any:
    """A server of somebody else's that answers 200 to everything; its port."""
    with subprocess.Popen([sys.executable, "-c", STRANGER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def store(world: Any, name: str, process: Any, **changes: Any) -> StoreSpec:
    log = world.directory / f"{name}.log"
    return replace(StoreSpec(name, None, process, (), None, None, world.directory / name, log), **changes)


def test_a_port_that_somebody_else_took_first(
    process_world: Any, stranger: int, monkeypatch: pytest.MonkeyPatch, fetch: Callable[..., tuple[int, str]]
) -> None:
    """The stranger even answers 200: the replica is another process, and gets another port."""
    monkeypatch.setattr(ports, "taken", lambda *_: False)  # it was free when it was looked at

    async def scenario() -> None:
        async with process_world.opened(chance=Loaded(stranger)) as runtime:
            spec = process_world.replica("a", "slow", environment=(("WHO", "replica"),))
            address = await runtime.start(spec)
            assert isinstance(address, Address)
            assert address.port != stranger
            assert fetch(address, "/WHO") == (200, "replica")
            assert fetch(Address("127.0.0.1", stranger), "/WHO") == (200, "stranger")
            assert "Address already in use" in spec.log.read_text()

    asyncio.run(scenario())


def test_a_replica_that_does_not_listen_is_not_ready_because_a_stranger_answers(
    process_world: Any, stranger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "taken", lambda *_: False)

    async def scenario() -> None:
        async with process_world.opened(chance=Loaded(stranger)) as runtime:
            spec = process_world.replica("a", "silent", Readiness("http", "/", 0.7))
            failure = await runtime.start(spec)
            assert isinstance(failure, StartFailure)
            assert failure.reason == "never-ready"

    asyncio.run(scenario())


def test_ports_are_free_distinct_and_outside_the_range_of_clients() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = server.getsockname()[1]
        given = ports.Ports(Loaded(held, 20001, 20001, 20002))
        taken = [given.take() for _ in range(200)]
    assert taken[:2] == [20001, 20002]
    assert len(set(taken)) == 200
    assert held not in taken
    assert all(1024 < port < max(lowest, 20003) for port in taken)


def test_no_free_port_is_a_broken_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "taken", lambda *_: True)
    with pytest.raises(BrokenEnvironment, match="no free port"):
        ports.Ports(random.Random(0)).take()


def test_everything_listens_on_loopback_and_python_is_the_verifier_s_own(
    process_world: Any, monkeypatch: pytest.MonkeyPatch, fetch: Callable[..., tuple[int, str]]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:1")

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            address = await runtime.start(process_world.replica("a"))
            await runtime.start_store(store(process_world, "db", "postgres"))
            assert fetch(address, "/HTTP_PROXY") == (200, "")
            assert fetch(address, f"/{ENVIRONMENT}") == (200, process_world.run_id)
            for process in psutil.process_iter():
                try:
                    if process.environ().get(ENVIRONMENT) != process_world.run_id:
                        continue
                    listening = [at.laddr.ip for at in process.net_connections() if at.status == psutil.CONN_LISTEN]
                except psutil.Error:
                    continue
                assert set(listening) <= {"127.0.0.1"}
            spec = CommandSpec(
                "which", process_world.replica("b"), ("python", "-c", "import sys; print(sys.prefix)"),
                process_world.directory / "which.log",
            )  # fmt: skip
            assert (await runtime.command(spec)).tail == sys.prefix

    asyncio.run(scenario())


def test_workers_end_with_their_leader(process_world: Any) -> None:
    """A crashed leader leaves no workers behind, as in a container."""
    code = "import subprocess, time; subprocess.Popen(['sleep', '600']); print('ready', flush=True); time.sleep(600)"

    def members() -> list[str]:
        marked = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(ENVIRONMENT) == process_world.run_id:
                    marked.append(process.name())
            except psutil.Error:
                continue
        return marked

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            spec = process_world.replica("a", ready=Readiness("log", "ready"), command=("python3", "-c", code))
            await runtime.start(spec)
            assert "sleep" in members()
            assert await runtime.stop("a", "SIGTERM", 10.0) == 143
            assert members() == []

    asyncio.run(scenario())


def test_whoever_has_left_its_group_is_paused_too(process_world: Any) -> None:
    code = (
        "import subprocess, time; child = subprocess.Popen(['sleep', '600'], start_new_session=True); "
        "print('ready', child.pid, flush=True); time.sleep(600)"
    )

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            spec = process_world.replica("a", ready=Readiness("log", "ready"), command=("python3", "-c", code))
            await runtime.start(spec)
            child = psutil.Process(int(spec.log.read_text().split()[1]))
            both = [child.parent(), child]
            assert await runtime.pause("a")
            assert {process.status() for process in both} == {psutil.STATUS_STOPPED}
            await runtime.resume("a")
            assert psutil.STATUS_STOPPED not in {process.status() for process in both}

    asyncio.run(scenario())


def empty(file: Path) -> bool:
    return file.stat().st_size == 0


def there(file: Path) -> bool:
    return file.parent.exists()


def test_a_sqlite_store_is_an_empty_file_and_gone_when_stopped(process_world: Any) -> None:
    async def scenario() -> None:
        async with process_world.opened() as runtime:
            spec = store(process_world, "db", "sqlite")
            url = await runtime.start_store(spec)
            assert url.startswith("sqlite:////")
            file = Path(url.removeprefix("sqlite:///"))
            assert empty(file)
            connection = sqlite3.connect(file)
            connection.execute("create table t (x)")
            connection.close()
            with pytest.raises(BrokenEnvironment, match="not empty"):
                await runtime.start_store(spec)
            await runtime.stop_store("db")
            assert not there(file)
            assert await runtime.start_store(spec) == url
            assert empty(file)

    asyncio.run(scenario())


def test_a_postgres_store_is_private_and_asks_for_its_password(process_world: Any) -> None:
    declared = (("POSTGRES_USER", "shop user"), ("POSTGRES_PASSWORD", "p@ss/word:%"), ("POSTGRES_DB", 'the "shop"'))

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            url = await runtime.start_store(store(process_world, "db", "postgres", environment=declared))
            with psycopg.connect(url) as connection:
                assert connection.execute("select current_database()").fetchone() == ('the "shop"',)
                assert connection.execute("show unix_socket_directories").fetchone() == ("",)
            with pytest.raises(psycopg.OperationalError, match="authentication failed"):
                psycopg.connect(url.replace("p%40ss", "wrong"))
            assert scratch(process_world.run_id).is_dir()
            await runtime.stop_store("db")
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(url)
        assert not scratch(process_world.run_id).exists()

    asyncio.run(scenario())


def test_a_command_as_a_store(process_world: Any) -> None:
    command = ("python3", "-c", CACHE, "{port}", "{dir}")

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            spec = store(process_world, "cache", command, environment=(("HOW", "at {port}"),))
            url = await runtime.start_store(spec)
            port = int(url.removeprefix("tcp://127.0.0.1:"))
            assert (spec.directory / "data").read_text() == f"at {port}"
            socket.create_connection(("127.0.0.1", port)).close()
            known = await runtime.start_store(
                replace(spec, name="redis", image="redis:7", directory=spec.directory.parent / "r")
            )
            assert known.startswith("redis://127.0.0.1:")
            broken = store(process_world, "broken", "sh -c 'echo cannot; exit 6'")
            with pytest.raises(
                BrokenEnvironment, match=r"store broken did not start: exited with status 6[^\n]*\ncannot"
            ):
                await runtime.start_store(broken)

    asyncio.run(scenario())


def test_what_is_missing_is_said_before_anything_starts(process_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with process_world.opened() as runtime:
            good = process_world.replica("a")
            await runtime.provide((good,), (store(process_world, "db", "sqlite"),))
            with pytest.raises(BrokenEnvironment, match="store db has no `process`"):
                await runtime.provide((good,), (store(process_world, "db", None),))
            with pytest.raises(BrokenEnvironment, match=r"orders 1\.4: the program 'no-such' is not on this machine"):
                await runtime.provide((replace(good, command=("no-such",)),), ())
            monkeypatch.setattr(postgres, "binaries", lambda image: (_ for _ in ()).throw(BrokenEnvironment("none")))
            with pytest.raises(BrokenEnvironment, match="none"):
                await runtime.provide((good,), (store(process_world, "db", "postgres"),))

    asyncio.run(scenario())


def test_programs_beside_the_matrix_are_found(process_world: Any) -> None:
    program = process_world.directory / "serve"
    program.write_text("#!/bin/sh\necho served by $0\nexit 0\n")
    program.chmod(0o755)

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            spec = process_world.replica("a", command=("./serve",))
            await runtime.provide((spec,), ())
            failure = await runtime.start(spec)
            assert isinstance(failure, StartFailure)
            assert failure.tail == "served by ./serve"

    asyncio.run(scenario())


def test_a_busy_declared_port_does_not_matter(process_world: Any) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            async with process_world.opened() as runtime:
                spec = replace(process_world.replica("a"), port=server.getsockname()[1])
                address = await runtime.start(spec)
                assert isinstance(address, Address)
                assert address.port != spec.port

    asyncio.run(scenario())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_postgres_does_not_run_as_root(process_world: Any) -> None:
    async def scenario() -> None:
        async with process_world.opened() as runtime:
            await runtime.start_store(store(process_world, "db", "postgres"))
            users = set()
            for process in psutil.process_iter():
                try:
                    if process.environ().get(ENVIRONMENT) == process_world.run_id:
                        users.add(process.uids().real)
                except psutil.Error:
                    continue
            assert users
            assert 0 not in users

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["stopped", "swept"])
def test_no_backend_outlives_its_server(process_world: Any, how: str) -> None:
    """A backend in the midst of a query has a session and a title of its own, and no time to look at its parent."""
    endless = "select count(*) from generate_series(1, 1000000) a cross join generate_series(1, 1000000) b"

    def ask(connection: Any) -> None:
        with pytest.raises(psycopg.OperationalError):
            connection.execute(endless)

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            url = await runtime.start_store(store(process_world, "db", "postgres"))
            with psycopg.connect(url, autocommit=True) as connection, psycopg.connect(url, autocommit=True) as second:
                backend = psutil.Process(connection.info.backend_pid)
                asking = asyncio.create_task(asyncio.to_thread(ask, connection))
                active = "select count(*) from pg_stat_activity where state = 'active' and query like 'select count%'"
                async with asyncio.timeout(20):
                    while second.execute(active).fetchone() != (2,):  # noqa: ASYNC110 - that query, and this one
                        await asyncio.sleep(0.01)
                if how == "stopped":
                    await runtime.stop_store("db")
                else:
                    killed = leftovers.kill_processes(process_world.run_id)
                    assert str(backend.pid) in {item.id for item in killed}
                    psutil.wait_procs([backend], timeout=10)
                assert not backend.is_running() or backend.status() == psutil.STATUS_ZOMBIE
                await asking

    asyncio.run(scenario())


SEED = "CREATE TABLE words (text TEXT); INSERT INTO words VALUES ('to begin with');"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_file_of_sql_is_loaded(process_world: Any, kind: str) -> None:
    good, bad = process_world.directory / "good.sql", process_world.directory / "bad.sql"
    good.write_text(SEED)
    bad.write_text("INSERT INTO nothing VALUES (1);")

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            url = await runtime.start_store(store(process_world, "db", kind))
            await runtime.seed_store("db", good)
            if kind == "sqlite":
                with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
                    assert database.execute("SELECT text FROM words").fetchall() == [("to begin with",)]
            else:
                with psycopg.connect(url) as connection:
                    assert connection.execute("SELECT text FROM words").fetchall() == [("to begin with",)]
            with pytest.raises(BrokenEnvironment, match=r"store db: .*bad\.sql: .*nothing"):
                await runtime.seed_store("db", bad)

    asyncio.run(scenario())


# Starts a process in a session of its own; with `hidden`, one that has no environment, and so no mark.
FAMILY = """
import os, subprocess, sys, time
given = dict(PATH=os.environ["PATH"]) if sys.argv[1] == "hidden" else None
child = subprocess.Popen(["sleep", "600"], start_new_session=True, env=given)
print("child", child.pid, flush=True)
if sys.argv[1] == "crash":
    os._exit(5)
time.sleep(600)
"""


def test_an_end_is_known_as_soon_as_the_process_is_gone(process_world: Any) -> None:
    """Although the rest of its tree is looked for only then: a stop right after it is no end that was asked for."""
    code = "import os, signal; print('up', os.getpid(), flush=True); signal.sigwait({signal.SIGUSR1}); os._exit(3)"
    ending = ("python3", "-c", f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGUSR1}}); {code}")

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            for name in "abcdefgh":
                spec = process_world.replica(name, ready=Readiness("log", "^up"), command=ending)
                await runtime.start(spec)
                replica = psutil.Process(int(spec.log.read_text().split()[1]))
                replica.send_signal(signal.SIGUSR1)
                while alive(replica):
                    pass  # without giving way: nothing else of this process gets to know before
                assert await runtime.exited(name) == "exited with status 3"

    asyncio.run(scenario())


def test_whoever_hides_its_environment_ends_with_a_leader_that_crashes(process_world: Any) -> None:
    """It has no mark, and its parent is gone before anybody could ask for its children: its group tells."""
    code = (
        "import os, subprocess, sys; child = subprocess.Popen(['sleep', '600'], env={'PATH': os.environ['PATH']}); "
        "print('child', child.pid, flush=True); sys.stdin = open(sys.argv[1]); sys.stdin.read(); os._exit(5)"
    )
    pipe = process_world.directory / "pipe"
    os.mkfifo(pipe)

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            command = ("python3", "-c", code, str(pipe))
            spec = process_world.replica("a", ready=Readiness("log", "^child"), command=command)
            await runtime.start(spec)
            child = psutil.Process(int(spec.log.read_text().split()[1]))
            assert alive(child)
            await asyncio.to_thread(pipe.write_text, "")
            while (why := await runtime.exited("a")) is None:  # noqa: ASYNC110 - the runtime tells no event
                await asyncio.sleep(0.01)
            assert why == "exited with status 5"
            assert not alive(child)

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["stop", "kill", "hidden", "crash"])
def test_a_replica_ends_with_all_its_processes_in_whichever_session(process_world: Any, how: str) -> None:
    """While another replica, which does the same, loses nothing."""

    async def child_of(name: str, way: str, runtime: Any) -> psutil.Process:
        spec = process_world.replica(
            name, ready=Readiness("log", "^child"), command=("python3", "-c", FAMILY, way)
        )  # fmt: skip
        await runtime.start(spec)
        return psutil.Process(int(spec.log.read_text().split()[1]))

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            other = await child_of("other", "stop", runtime)
            if how == "crash":
                with contextlib.suppress(psutil.NoSuchProcess):
                    gone = await child_of("a", how, runtime)
                    while await runtime.exited("a") is None:  # noqa: ASYNC110 - the runtime tells no event
                        await asyncio.sleep(0.01)
                    assert not alive(gone)
            else:
                gone = await child_of("a", how, runtime)
                assert alive(gone)
                await runtime.stop("a", "SIGKILL" if how == "kill" else "SIGTERM", 10.0)
                assert not alive(gone)
            assert alive(other)

    asyncio.run(scenario())


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
