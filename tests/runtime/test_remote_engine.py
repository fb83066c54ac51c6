"""Where the engine is, and how its containers reach the gateway. The engines here answer like Docker's, from memory."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from verifier.errors import BrokenEnvironment
from verifier.runtime import host_access, own_container, remote
from verifier.runtime.remote import Ends

NETWORK = {"Id": "f" * 64, "Name": "run", "IPAM": {"Config": [{"Subnet": "172.30.0.0/16", "Gateway": "172.30.0.1"}]}}
OWN = "ab" * 32


class Engine:
    """An engine with perhaps one container, which fetches files by `fetch`."""

    def __init__(self, system: str = "Debian GNU/Linux 12", mode: str | None = None, fetch: Any = None) -> None:
        self.api = self
        self.system = system
        self.own = (
            None if mode is None else {"Id": OWN, "State": {"Running": True}, "HostConfig": {"NetworkMode": mode}}
        )
        self.joined: list[str] = []
        self.fetch = fetch

    def info(self) -> dict[str, str]:
        return {"OperatingSystem": self.system}

    def inspect_container(self, name: str) -> dict[str, Any]:
        if self.own is None or not (OWN.startswith(name) or name in self.joined):
            raise NotFound(name)
        return {**self.own, "NetworkSettings": {"Networks": {"run": {"IPAddress": "172.30.0.9"}}}}

    def connect_container_to_network(self, container: str, network: str) -> None:
        assert network == NETWORK["Id"]
        if self.own is not None and self.own["HostConfig"]["NetworkMode"] == "none":
            raise APIError("no", explanation="container cannot be connected to multiple networks")
        self.joined.append(container)

    def import_image_from_url(self, url: str, repository: str) -> None:
        self.fetch(url)

    def close(self) -> None:
        pass


def of(engine: Engine, docker_host: str = "") -> host_access.HostAccess:
    return host_access.of(engine, NETWORK, docker_host)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "elsewhere"),
    [("", False), ("unix:///x.sock", False), ("tcp://127.0.0.1:2375", False), ("tcp://localhost:2375", False),
     ("tcp://10.0.0.5:2376", True), ("ssh://me@build.example", True)],
)  # fmt: skip
def test_where_the_engine_is(host: str, elsewhere: bool) -> None:
    assert remote.is_remote(host) is elsewhere


def test_an_engine_in_a_virtual_machine_forwards_a_name() -> None:
    desktop = of(Engine("Docker Desktop"))
    assert (desktop.bind, desktop.host, desktop.direct, desktop.callers) == ("127.0.0.1", "host-gateway", False, None)
    assert desktop.rewritten("http://127.0.0.1:81/x") == "http://host.docker.internal:81/x"
    assert desktop.rewritten("http://127.0.0.11/x") == "http://127.0.0.11/x"
    near = host_access.HostAccess("172.30.0.1", "172.30.0.1", True)
    assert near.rewritten("http://127.0.0.1:81/x") == "http://127.0.0.1:81/x"
    assert near.names == {} and desktop.names == {"host.docker.internal": "host-gateway"}


def test_a_socket_from_elsewhere_is_refused_with_a_way_out() -> None:
    with pytest.raises(BrokenEnvironment, match=r"does not run on this host's network.*DOCKER_HOST \(tcp:"):
        of(Engine())
    with pytest.raises(BrokenEnvironment, match=r"engine at tcp://127\.0\.0\.1:9 does not run on"):
        of(Engine(), "tcp://127.0.0.1:9")


def test_the_gateway_of_a_network() -> None:
    config = {"IPAM": {"Config": [{"Subnet": "fd00::/64"}, {"Subnet": "10.9.0.0/24"}]}}
    assert host_access.gateway_of(config) == "10.9.0.1"


MOUNTS = f"""\
700 650 0:60 / / rw,relatime - overlay overlay rw,upperdir=/var/lib/docker/overlay2/{"12" * 32}/diff
720 700 254:1 /var/lib/docker/containers/{OWN}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw
721 700 254:1 /docker/containers/{OWN}/hostname /etc/hostname rw - ext4 /dev/vda rw
"""
OF_A_HOST = f"33 25 0:40 / /var/lib/docker/containers/{'34' * 32}/mounts/shm rw - tmpfs shm rw\n"


@pytest.mark.parametrize(
    ("files", "hostname", "found"),
    [
        ({"/proc/self/mountinfo": MOUNTS}, "build-1", [OWN, OWN]),
        ({"/proc/self/mountinfo": OF_A_HOST, "/proc/self/cgroup": "0::/init.scope\n"}, "build-1", []),
        ({"/proc/self/cgroup": f"4:memory:/docker/{OWN}\n"}, "build-1", [OWN]),
        ({"/run/.containerenv": f'engine="podman-5"\nid="{OWN}"\n'}, "build-1", [OWN]),
        ({}, OWN[:12], [OWN[:12]]),
    ],
)
def test_the_id_of_ones_own_container(files: dict[str, str], hostname: str, found: list[str]) -> None:
    assert list(own_container.candidates(lambda path: files.get(path, ""), hostname)) == found


def test_only_a_container_of_this_engine_is_ones_own() -> None:
    def read(path: str) -> str:
        return MOUNTS if path == "/proc/self/mountinfo" else ""

    assert own_container.find(Engine(), read) is None  # type: ignore[arg-type]
    own = own_container.find(Engine(mode="bridge"), read)  # type: ignore[arg-type]
    assert own is not None and own["Id"] == OWN


@pytest.mark.parametrize(("mode", "member"), [("bridge", OWN), ("container:pod", "pod")])
def test_ones_own_container_joins_the_network(mode: str, member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_container, "_text", lambda path: MOUNTS if path == "/proc/self/mountinfo" else "")
    engine = Engine(mode=mode)
    assert of(engine) == host_access.HostAccess("172.30.0.9", "172.30.0.9", True)
    assert engine.joined == [member]


def test_a_container_that_cannot_join_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_container, "_text", lambda path: MOUNTS if path == "/proc/self/mountinfo" else "")
    with pytest.raises(BrokenEnvironment, match=r"multiple networks; run this container in a network of bridge type"):
        of(Engine(mode="none"))


def calling(source: str) -> Any:
    """Fetches a file as an engine whose host has this address."""

    def fetch(url: str) -> None:
        host, _, path = url.removeprefix("http://").partition("/")
        name, _, port = host.partition(":")
        with socket.create_connection((name, int(port)), 5, (source, 0)) as stranger:
            stranger.sendall(b"GET /other HTTP/1.1\r\n\r\n")  # somebody else, who does not know the word
            assert stranger.recv(100).startswith(b"HTTP/1.1 404")
        with socket.create_connection((name, int(port)), 5, (source, 0)) as call:
            call.sendall(f"GET /{path} HTTP/1.1\r\n\r\n".encode())
            assert call.recv(100).startswith(b"HTTP/1.1 404")

    return fetch


def test_the_engine_is_asked_to_call_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.engine, "connect", lambda timeout: Engine(fetch=calling("127.0.0.3")))
    assert remote.callers(Ends("127.0.0.1", "127.0.0.2"), "tcp://there:2376") == {"127.0.0.2", "127.0.0.3"}


def test_an_engine_that_cannot_call_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str) -> None:
        raise APIError("no", explanation="dial tcp: i/o timeout")

    monkeypatch.setattr(remote.engine, "connect", lambda timeout: Engine(fetch=refuse))
    with pytest.raises(BrokenEnvironment, match=r"cannot reach this machine at 127\.0\.0\.1.*i/o timeout; let"):
        remote.callers(Ends("127.0.0.1", "127.0.0.2"), "tcp://there:2376")


def test_the_addresses_of_the_way() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        found = remote.ends(f"tcp://127.0.0.2:{server.getsockname()[1]}")
    assert found == Ends("127.0.0.1", "127.0.0.2") or found == Ends("127.0.0.2", "127.0.0.2")
    assert remote.ends("ssh://me@127.0.0.2").there == "127.0.0.2"  # sends nothing, so nothing has to listen
    with pytest.raises(BrokenEnvironment, match=r"is not reached over IPv4.*DOCKER_HOST"):
        remote.ends("tcp://[::1]:2375")


def test_a_host_of_the_ssh_configuration(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("paramiko")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host build\n  HostName 127.0.0.2\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert remote.ends("ssh://me@build").there == "127.0.0.2"
