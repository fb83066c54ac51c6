"""What only containers have: published ports, a network, images, stores behind names."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testcontainers.core.config import testcontainers_config

from verifier.errors import BrokenEnvironment
from verifier.runtime import engine as engines
from verifier.runtime import images
from verifier.runtime.base import Address, Build, CommandSpec, Readiness, StoreSpec
from verifier.runtime.labels import LABEL
from verifier.runtime.stores.postgres import Account

pytestmark = pytest.mark.docker

LISTEN = "import socket; s = socket.create_server(('', 7000)); [s.accept()[0].close() for _ in iter(int, 1)]"


def containers(run: str) -> list[dict[str, Any]]:
    with engines.connected() as client:
        found = [item for item in engines.leftovers(client, run) if item.kind == "container"]
        return [client.api.inspect_container(item.id) for item in found]


def store(world: Any, name: str, image: str | None, **changes: Any) -> StoreSpec:
    directory = world.directory / name
    spec = StoreSpec(name, image, None, (), None, None, directory, world.directory / f"{name}.log")
    return replace(spec, **changes)


def test_ports_are_published_on_loopback_only_and_a_replica_has_an_init(docker_world: Any) -> None:
    async def scenario() -> None:
        async with docker_world.opened() as runtime:
            await runtime.start(docker_world.replica("a"))
            await runtime.start_store(store(docker_world, "db", "postgres:15"))
            found = containers(docker_world.run_id)
            assert len(found) == 2
            for container in found:
                bound = [at for ports in container["NetworkSettings"]["Ports"].values() for at in ports or ()]
                assert bound
                assert {at["HostIp"] for at in bound} == {"127.0.0.1"}
                assert list(container["NetworkSettings"]["Networks"]) == [f"verifier-{docker_world.run_id}"]
                assert container["HostConfig"]["Init"] is container["Name"].endswith("-a")
                assert container["Config"]["Labels"][LABEL] == docker_world.run_id

    asyncio.run(scenario())


def test_aliases_lead_to_the_gateway(docker_world: Any) -> None:
    async def scenario() -> None:
        async with docker_world.opened() as runtime:
            with socket.create_server((runtime.gateway_host, 0)) as gateway:
                port = gateway.getsockname()[1]
                call = f"import socket; print(socket.create_connection(('payments', {port})).getpeername()[0])"
                replica = docker_world.replica("a", aliases=("payments", "psp"))
                spec = CommandSpec("call", replica, ("python3", "-c", call), docker_world.directory / "call.log")
                assert await runtime.command(spec) == replace(await runtime.command(spec), tail=runtime.gateway_host)

    asyncio.run(scenario())


def test_postgres_is_ready_when_it_takes_connections(docker_world: Any) -> None:
    account = Account("shop user", "p@ss/word:%", "shop")
    declared = (("POSTGRES_USER", account.user), ("POSTGRES_PASSWORD", account.password), ("POSTGRES_DB", "shop"))

    async def scenario() -> None:
        async with docker_world.opened() as runtime:
            before = testcontainers_config.ryuk_disabled
            url = await runtime.start_store(store(docker_world, "db", "postgres:15", environment=declared))
            assert testcontainers_config.ryuk_disabled == before
            assert url == "postgresql://shop%20user:p%40ss%2Fword%3A%25@db:5432/shop"
            (container,) = containers(docker_world.run_id)
            inner = container["NetworkSettings"]["Networks"][f"verifier-{docker_world.run_id}"]["IPAddress"]
            with psycopg.connect(account.url(inner, 5432)) as connection:
                assert connection.execute("show fsync").fetchone() == ("off",)
                connection.execute("create table kept (id int)")
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(Account(account.user, "wrong", "shop").url(inner, 5432))
            reach = "import socket; socket.create_connection(('db', 5432)); print('reached')"
            spec = CommandSpec("m", docker_world.replica("a"), ("python3", "-c", reach), docker_world.directory / "m")
            assert (await runtime.command(spec)).tail == "reached"
            await runtime.stop_store("db")
            assert containers(docker_world.run_id) == []
            url = await runtime.start_store(store(docker_world, "db", "postgres:15", environment=declared))
            (container,) = containers(docker_world.run_id)
            inner = container["NetworkSettings"]["Networks"][f"verifier-{docker_world.run_id}"]["IPAddress"]
            with psycopg.connect(account.url(inner, 5432)) as connection, pytest.raises(psycopg.errors.UndefinedTable):
                connection.execute("select * from kept")

    asyncio.run(scenario())


def test_an_unknown_store_needs_its_port(docker_world: Any) -> None:
    (docker_world.directory / "Dockerfile").write_text(
        f'FROM {docker_world.image}\nCMD ["python3", "-c", "{LISTEN}"]\n'
    )
    build = Build(docker_world.directory)
    image = f"verifier-test-store:{docker_world.run_id}"

    async def scenario() -> None:
        async with docker_world.opened() as runtime:
            await runtime.provide((replace(docker_world.replica("a"), image=image, build=build),), ())
            with pytest.raises(BrokenEnvironment, match="store box: the docker runtime needs `port`"):
                await runtime.start_store(store(docker_world, "box", image))
            assert await runtime.start_store(store(docker_world, "box", image, port=7000)) == "tcp://box:7000"
            with pytest.raises(BrokenEnvironment, match="store wrong did not start"):
                await runtime.start_store(store(docker_world, "wrong", docker_world.image, port=7000))

    try:
        asyncio.run(scenario())
    finally:
        remove_image(image)


def remove_image(name: str) -> None:
    with engines.connected() as client:
        client.images.remove(name, force=True)


def test_images_are_built_and_built_again_when_their_files_change(docker_world: Any) -> None:
    context = docker_world.directory / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("ARG BASE=none\nFROM $BASE\nCOPY said /said\n")
    spec = replace(docker_world.replica("a"), image=None, build=Build(context, args=(("BASE", docker_world.image),)))
    says = CommandSpec("says", spec, ("cat", "/said"), docker_world.directory / "says.log")

    async def scenario() -> None:
        async with docker_world.opened() as runtime:
            ids = []
            for text in ("first", "first", "second"):
                (context / "said").write_text(text)
                await runtime.provide((spec, spec), ())
                assert (await runtime.command(says)).tail == text
                with engines.connected() as client:
                    ids.append(client.images.get(images.name_of(spec)).id)
            assert ids[0] == ids[1] != ids[2]
            (log,) = docker_world.directory.glob("build-*.log")
            assert "COPY said /said" in log.read_text()

    try:
        asyncio.run(scenario())
    finally:
        remove_image(images.name_of(spec))


def test_an_image_that_cannot_be_had_is_named_in_one_sentence(docker_world: Any) -> None:
    (docker_world.directory / "Dockerfile").write_text(f"FROM {docker_world.image}\nRUN exit 5\n")
    none = replace(docker_world.replica("a"), image="127.0.0.1:9/verifier/no-such-image:1")
    broken = replace(docker_world.replica("b"), version="2.0", image=None, build=Build(docker_world.directory))
    absent = replace(broken, build=Build(docker_world.directory / "absent"))

    async def scenario() -> None:
        async with docker_world.opened() as runtime:
            await runtime.provide((docker_world.replica("a"),), ())
            with pytest.raises(BrokenEnvironment) as caught:
                await runtime.provide((none, broken), ())
            first, second = str(caught.value).splitlines()
            assert re.match(
                r"image 127\.0\.0\.1:9/verifier/no-such-image:1 \(orders 1\.4\) is not on this engine and cannot be",
                first,
            )
            assert re.match(r"image verifier-orders-\w+:2\.0 \(orders 2\.0\) could not be built: .*exit 5", second)
            with pytest.raises(BrokenEnvironment, match="there is no build context"):
                await runtime.provide((absent,), ())

    asyncio.run(scenario())


def test_a_health_check_path_behind_the_engine_s_proxy_is_not_fooled(docker_world: Any, monkeypatch: Any) -> None:
    """Where container addresses cannot be reached, published ports accept before the service does."""
    from verifier.runtime import host_access as reach
    from verifier.runtime.base import Readiness

    real = reach.of

    def behind_a_proxy(*given: Any) -> reach.HostAccess:
        return replace(real(*given), direct=False)

    monkeypatch.setattr(reach, "of", behind_a_proxy)

    async def scenario() -> None:
        async with docker_world.opened() as runtime:
            failure = await runtime.start(docker_world.replica("a", "silent", Readiness("tcp", "", 1.5)))
            assert not isinstance(failure, Address)
            address = await runtime.start(docker_world.replica("b", "slow", Readiness("tcp", "", 20.0)))
            assert isinstance(address, Address)
            assert address.host == "127.0.0.1"
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.close()

    asyncio.run(scenario())


def test_an_engine_elsewhere_is_named(docker_world: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")

    async def scenario() -> None:
        with pytest.raises(BrokenEnvironment, match="no container engine answers: No such file"):
            async with docker_world.opened():
                pass

    asyncio.run(scenario())


def test_a_file_of_sql_is_loaded_into_a_store_of_a_declared_kind(docker_world: Any) -> None:
    file, bad = docker_world.directory / "data.sql", docker_world.directory / "bad.sql"
    file.write_text("CREATE TABLE words (text TEXT); INSERT INTO words VALUES ('to begin with');")
    bad.write_text("INSERT INTO nothing VALUES (1);")

    async def scenario() -> None:
        async with docker_world.opened() as runtime:
            url = await runtime.start_store(store(docker_world, "db", "postgres:15", kind="postgres"))
            assert url.startswith("postgresql://")
            await runtime.seed_store("db", file)
            with pytest.raises(BrokenEnvironment, match="already exists"):
                await runtime.seed_store("db", file)
            with pytest.raises(BrokenEnvironment, match=r"store db: .*bad\.sql: .*nothing"):
                await runtime.seed_store("db", bad)

    asyncio.run(scenario())


def test_a_worker_without_a_port_is_ready_by_its_log_and_publishes_nothing(docker_world: Any) -> None:
    code = "import time; print('waiting for jobs', flush=True); time.sleep(600)"

    async def scenario() -> None:
        async with docker_world.opened() as runtime:
            ready = Readiness("log", "waiting for jobs")
            spec = replace(docker_world.replica("mailer", ready=ready, command=("python", "-c", code)), port=0)
            assert isinstance(await runtime.start(spec), Address)
            assert await runtime.exited("mailer") is None
            (found,) = containers(docker_world.run_id)
            assert not found["NetworkSettings"]["Ports"]
            assert await runtime.stop("mailer", "SIGKILL", 1.0) is None

    asyncio.run(scenario())
