"""Real engines elsewhere: one in a network of its own over TCP with TLS, and one whose socket a container has."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import requests.certs

from tests.engine import daemon, system
from tests.engine.system import Unavailable
from tests.runtime import certificates
from tests.runtime.conftest import IMAGE, World
from verifier.errors import BrokenEnvironment
from verifier.http.handler import Peer, Reply
from verifier.http.message import Request, Response
from verifier.http.server import serve
from verifier.runtime.base import CommandSpec
from verifier.runtime.labels import temporary

pytestmark = [pytest.mark.docker, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
CALL = """
import sys, urllib.request
print(urllib.request.urlopen("http://%s:%s/x" % (sys.argv[1], sys.argv[2]), timeout=10).read().decode())
"""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An engine in a network namespace, reached at `host` from the address `here`."""

    namespace: str
    here: str
    host: str
    folder: Path

    @property
    def url(self) -> str:
        return f"tcp://{self.host}:2376"

    def client(self) -> docker.DockerClient:
        """From the environment, as the verifier's."""
        return docker.from_env(environment=self.environment)

    def set(self, patched: pytest.MonkeyPatch) -> None:
        for name, value in self.environment.items():
            patched.setenv(name, value)
        patched.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())  # a company's: it must not count for the engine

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCKER_HOST": self.url, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.folder / "certs")}


def namespace(number: int, folder: Path) -> Elsewhere:
    """A network namespace that is joined to this host by a pair of interfaces."""
    name = f"vt{os.getpid() % 100000}n{number}"
    made = Elsewhere(name, f"10.231.{os.getpid() % 200}.1", f"10.231.{os.getpid() % 200}.2", folder)
    for line in (
        f"ip netns add {name}",
        f"ip link add {name}h type veth peer name {name}e",
        f"ip link set {name}e netns {name}",
        f"ip addr add {made.here}/30 dev {name}h",
        f"ip link set {name}h up",
        f"ip -n {name} addr add {made.host}/30 dev {name}e",
        f"ip -n {name} link set {name}e up",
        f"ip -n {name} link set lo up",
        f"ip -n {name} route add default via {made.here}",
    ):
        system.run(*line.split())
    return made


@pytest.fixture(scope="module")
def elsewhere(engine_client: docker.DockerClient) -> Iterator[Elsewhere]:
    """A second engine with one image, which is ended and removed again."""
    if os.geteuid() != 0 or not system.have("ip", "nsenter", *daemon.PROGRAMS):
        pytest.skip("a second engine in a network namespace needs root, iproute2 and dockerd")
    # In memory, if there is enough: removing an image from a disk can take longer than all tests here.
    with (
        tempfile.TemporaryDirectory(prefix="verifier-elsewhere-", dir=temporary()) as path,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(path)
        try:
            there = namespace(next(_numbers), folder)
        except Unavailable as reason:
            pytest.skip(f"no network namespace can be made: {reason}")
        stack.callback(system.run, "ip", "netns", "delete", there.namespace)
        certificates.write(certs := folder / "certs", there.host)
        options = ["--shutdown-timeout", "1", "-H", there.url, "--pidfile", str(folder / "pid")]
        options += ["--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"), "--tlsverify"]
        options += ["--tlscacert", str(certs / "ca.pem"), "--tlscert", str(certs / "server-cert.pem")]
        options += ["--tlskey", str(certs / "server-key.pem")]
        record = folder / "engine.json"
        inside = ("nsenter", f"--net=/run/netns/{there.namespace}")
        with pytest.MonkeyPatch.context() as patched:
            there.set(patched)  # for the look whether it answers
            daemon.start(record, print, options, None, inside)
        stack.callback(daemon.end, record)
        with contextlib.closing(there.client()) as client:
            client.images.load(b"".join(engine_client.images.get(IMAGE).save(named=True)))
        yield there


_numbers = itertools.count(1)


async def call(world: World, runtime: Any) -> tuple[str, str]:
    """What a replica got from a gateway, and the address from which its call came."""
    seen: list[str] = []

    async def handler(request: Request, peer: Peer) -> Reply:
        seen.append(peer.host)
        return Reply(Response(200, (), b"reached"))

    callers = runtime.gateway_callers
    admits = None if callers is None else callers.__contains__
    gateway = await serve(handler, runtime.gateway_host, admits=admits)
    try:
        replica = world.replica("calls", aliases=("payments",))
        command = ("python3", "-c", CALL, "payments", str(gateway.port))
        result = await runtime.command(CommandSpec("call", replica, command, world.directory / "call.log"))
    finally:
        await gateway.close()
    return result.tail, next(iter(seen), "")


def test_an_engine_in_another_network_over_tcp(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetch: Any
) -> None:
    elsewhere.set(monkeypatch)

    async def scenario() -> None:
        world = World("docker", tmp_path, IMAGE)
        async with world.opened() as runtime:
            cell = runtime.cell("path")
            await cell.open()
            try:
                assert (cell.gateway_host, cell.gateway_callers) == (elsewhere.here, {elsewhere.host})
                address = await cell.start(world.replica("a", environment=(("WORD", "hello"),)))
                assert address.host == elsewhere.host
                assert await asyncio.to_thread(fetch, address, "/WORD") == (200, "hello")
                assert await call(world, cell) == ("reached", elsewhere.host)
            finally:
                await cell.close()
        with contextlib.closing(elsewhere.client()) as client:
            assert client.containers.list(all=True) == []
            assert {network.name for network in client.networks.list()} == {"bridge", "host", "none"}

    asyncio.run(scenario())


def test_an_engine_that_cannot_call_back_is_told(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere.set(monkeypatch)
    rule = ["OUTPUT", "-d", elsewhere.here, "-p", "tcp", "--syn", "-j", "REJECT"]
    inside = ["ip", "netns", "exec", elsewhere.namespace, "iptables"]
    system.run(*inside, "-I", *rule)
    try:
        with pytest.raises(BrokenEnvironment, match=rf"cannot reach this machine at {elsewhere.here}.*firewalls"):
            asyncio.run(World("docker", tmp_path, IMAGE).make().open())
    finally:
        system.run(*inside, "-D", *rule)


def test_the_verifier_in_a_container_beside_its_replicas(engine: docker.DockerClient, tmp_path: Path) -> None:
    """This file runs as a program in a container that has the engine's socket, the code and its libraries."""
    if sys.version_info[:2] != (3, 11) or os.environ.get("DOCKER_HOST"):
        pytest.skip(f"the libraries of this Python do not run in {IMAGE}, or the engine has no socket here")
    folders = [str(ROOT), *(path for path in sys.path if path.endswith("-packages"))]
    volumes = {folder: {"bind": folder, "mode": "ro"} for folder in folders}
    volumes |= {str(tmp_path): {"bind": "/out", "mode": "rw"}, "/var/run/docker.sock": {"bind": "/var/run/docker.sock"}}
    told = engine.containers.run(
        IMAGE, ["python3", __file__, "/out"], volumes=volumes, remove=True, working_dir=str(ROOT), stderr=True,
        environment={"PYTHONPATH": ":".join(folders), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    here, bound, address, body, reached, caller, left = told.decode().split()
    assert (body, reached) == ("hello", "reached")
    assert here != bound and bound.rpartition(".")[0] == address.rpartition(".")[0] == caller.rpartition(".")[0]
    assert left == "1", "its own network, as before"


async def inside(directory: Path) -> None:
    """In the container: start a replica, ask it and let it call, and tell what happened in seven words."""
    here = socket.gethostbyname(socket.gethostname())
    world = World("docker", directory, IMAGE)
    async with world.opened() as runtime:
        address: Any = await runtime.start(world.replica("a", environment=(("WORD", "hello"),)))
        with contextlib.closing(http.client.HTTPConnection(address.host, address.port)) as connection:
            connection.request("GET", "/WORD")
            body = connection.getresponse().read().decode()
        reached, caller = await call(world, runtime)
        bound = runtime.gateway_host
    with contextlib.closing(docker.from_env()) as client:
        own = client.api.inspect_container(socket.gethostname())
    print(here, bound, address.host, body, reached, caller, len(own["NetworkSettings"]["Networks"]))


if __name__ == "__main__":
    asyncio.run(inside(Path(sys.argv[1])))
