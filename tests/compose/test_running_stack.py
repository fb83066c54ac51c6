"""`verifier record --compose`: the recorder finds a service of a running stack through the engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from click.testing import CliRunner

from verifier.cli.record import record
from verifier.compose import running
from verifier.compose.read import read
from verifier.compose.running import Reached
from verifier.errors import BadInput, BrokenEnvironment

COMPOSE = """\
services:
  Orders_API: {image: "shop/orders:1", ports: ["8000:8080"]}
  inner: {image: "shop/inner:1", expose: [7000]}
  silent: {image: "shop/silent:1"}
"""


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    return tmp_path / "compose.yaml"


def labels(path: Path, service: str) -> dict[str, str]:
    """As `docker compose up` sets them."""
    made = {"service": service, "project": "shop", "project.working_dir": str(path.parent)}
    made["project.config_files"] = str(path)
    return {f"com.docker.compose.{key}": value for key, value in made.items()}


class Engine:
    """An engine with containers, each listed with its labels and inspected with its ports."""

    def __init__(self, containers: list[dict[str, Any]]) -> None:
        self.api, self._containers = self, containers

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def containers(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        key, _, value = filters["label"].partition("=")
        return [container for container in self._containers if container["Labels"].get(key) == value]

    def inspect_container(self, identity: str) -> dict[str, Any]:
        return next(container for container in self._containers if container["Id"] == identity)


def container(name: str, marks: dict[str, str], ports: dict[str, Any], address: str = "172.20.0.5") -> dict[str, Any]:
    settings = {"Ports": ports, "Networks": {"shop_default": {"IPAddress": address}}}
    return {"Id": name, "Name": f"/{name}", "Labels": marks, "NetworkSettings": settings}


def bound(host: str, port: int) -> list[dict[str, str]]:
    return [{"HostIp": host, "HostPort": str(port)}]


@pytest.mark.parametrize(
    ("host", "ports", "engine", "expected"),
    [
        ("Orders_API", {"8080/tcp": bound("0.0.0.0", 8000)}, "", Reached("127.0.0.1", 8000, True)),
        ("Orders_API", {"8080/tcp": bound("127.0.0.2", 8000), "9/tcp": None}, "", Reached("127.0.0.2", 8000, True)),
        ("Orders_API", {"8080/tcp": bound("::", 81)}, "tcp://10.0.0.9:2376", Reached("10.0.0.9", 81, True)),
        ("inner", {"7000/tcp": None}, "", Reached("172.20.0.5", 7000, False)),
        ("silent", {"5000/tcp": bound("0.0.0.0", 5000)}, "", Reached("127.0.0.1", 5000, True)),
    ],
)
def test_where_a_service_is_reached(
    compose: Path, monkeypatch: pytest.MonkeyPatch, host: str, ports: dict[str, Any], engine: str, expected: Reached
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine)
    stranger = labels(compose.parent / "other" / "compose.yaml", host)
    both = [container("a", stranger, {"8080/tcp": bound("0.0.0.0", 1)}), container("b", labels(compose, host), ports)]
    monkeypatch.setattr(running.engine, "connected", lambda: Engine(both))
    assert running.reached(read(compose), host) == expected


@pytest.mark.parametrize(
    ("service", "containers", "why"),
    [("inner", False, "start the stack: docker compose -f .* up -d"), ("silent", True, "silent has no port by which")],
)
def test_what_cannot_be_reached_is_told(
    compose: Path, monkeypatch: pytest.MonkeyPatch, service: str, containers: bool, why: str
) -> None:
    made = [container("a", labels(compose, service), {})] if containers else []
    monkeypatch.setattr(running.engine, "connected", lambda: Engine(made))
    with pytest.raises(BrokenEnvironment, match=why):
        running.reached(read(compose), service)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ((), "Missing option '--listen' and '--to', or '--compose'"),
        (("--compose", "compose.yaml"), "--compose needs --service"),
        (("--compose", "compose.yaml", "--service", "inner", "--to", "http://a"), "does not go with --to"),
        (("--compose", "compose.yaml", "--service", "inner", "--as", "a", "--as", "b"), "records one service"),
    ],
)
def test_flags_that_do_not_go_together(
    compose: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], why: str
) -> None:
    monkeypatch.chdir(compose.parent)
    done = CliRunner().invoke(record, [*flags, "--out", "shop.har"])
    assert done.exit_code == 2 and why in done.output


def test_a_service_that_is_not_in_the_file_is_bad_input(compose: Path) -> None:
    with pytest.raises(BadInput, match="has no service 'order'"):
        words = ["--compose", str(compose), "--service", "order", "--out", "shop.har"]
        CliRunner().invoke(record, words, catch_exceptions=False)


@pytest.fixture
def stack(compose: Path, engine: docker.DockerClient) -> Iterator[None]:
    """A container as `docker compose up` starts it."""
    started = engine.containers.run(
        "python:3.11-slim", ["python3", "-u", "-m", "http.server", "8080"], detach=True, ports={"8080/tcp": None},
        labels=labels(compose, "Orders_API"), name=f"verifier-test-stack-{uuid.uuid4().hex[:8]}",
    )  # fmt: skip
    try:
        for line in started.logs(stream=True):
            if b"Serving HTTP" in line:
                break
        yield
    finally:
        started.remove(force=True)


@pytest.mark.docker
@pytest.mark.usefixtures("stack")
def test_a_running_stack_is_recorded_and_left_as_it_is(compose: Path, tmp_path: Path) -> None:
    out = tmp_path / "shop.har"
    code = "from verifier.cli.record import record; record()"
    words = ["--compose", str(compose), "--service", "Orders_API", "--listen", "127.0.0.1:0", "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("recording http://127.0.0.1:"), line
        with urllib.request.urlopen(f"{line.split()[1]}/etc/hostname", timeout=10) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    (entry,) = json.loads(out.read_text())["log"]["entries"]
    assert entry["request"]["url"] == "http://orders-api/etc/hostname"
