"""RabbitMQ and NATS as stores of the process runtime: the real servers, two of a kind at the same time."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.conftest import need
from verifier.runtime.base import StoreSpec
from verifier.runtime.labels import ENVIRONMENT

ACCOUNT = (("RABBITMQ_DEFAULT_USER", "sh/op"), ("RABBITMQ_DEFAULT_PASS", "s@crt"), ("RABBITMQ_DEFAULT_VHOST", "stock"))
BROKERS = [
    pytest.param("rabbitmq", "rabbitmq-server", id="rabbitmq", marks=pytest.mark.slow),
    pytest.param("nats", "nats-server", id="nats"),
]


def of_rabbitmq(url: str, sent: bytes) -> bytes | None:
    """What waited in a durable queue; `sent` waits there afterwards."""
    import pika

    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        channel.queue_declare("kept", durable=True)
        _, _, found = channel.basic_get("kept", auto_ack=True)
        channel.confirm_delivery()
        channel.basic_publish("", "kept", sent, pika.BasicProperties(delivery_mode=2))
        return found


def of_nats(url: str, sent: bytes) -> bytes | None:
    """What waited in a stream of JetStream, which is made if it is not there; `sent` waits there afterwards."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 0), 10) as connection:
        answers = connection.makefile("rb")
        assert b'"jetstream":true' in answers.readline()
        connection.sendall(b"CONNECT {}\r\nSUB reply 1\r\n")

        def asked(subject: str, body: bytes) -> Any:
            connection.sendall(b"PUB %s reply %d\r\n%s\r\n" % (subject.encode(), len(body), body))
            while not (line := answers.readline()).startswith(b"MSG"):
                assert line.startswith((b"PING", b"+OK")), line
            return json.loads(answers.read(int(line.split()[-1]) + 2))

        asked("$JS.API.STREAM.CREATE.kept", b'{"name":"kept","subjects":["kept"],"storage":"file"}')
        last = asked("$JS.API.STREAM.MSG.GET.kept", b'{"last_by_subj":"kept"}')
        assert asked("kept", sent)["seq"]
        return base64.b64decode(last["message"]["data"]) if "message" in last else None


TALKS: dict[str, Callable[[str, bytes], bytes | None]] = {"rabbitmq": of_rabbitmq, "nats": of_nats}


def listening(run: str) -> dict[int, list[str]]:
    """The addresses at which each process of a run listens."""
    found: dict[int, list[str]] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(ENVIRONMENT) == run:
                ports = process.net_connections("tcp")
                found[process.pid] = [f"{at.laddr.ip}:{at.laddr.port}" for at in ports if at.status == "LISTEN"]
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(("kind", "program"), BROKERS)
def test_two_brokers_at_the_same_time_and_nothing_is_left(
    kind: str, program: str, process_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(program)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    talk = TALKS[kind]

    def spec(name: str) -> StoreSpec:
        account = ACCOUNT if kind == "rabbitmq" else ()
        log = process_world.directory / f"{name}.log"
        return StoreSpec(name, None, kind, account, None, None, process_world.directory / name, log)

    async def scenario() -> None:
        async with process_world.opened() as runtime:
            first, second = await asyncio.gather(*(runtime.start_store(spec(name)) for name in ("one", "two")))
            assert await asyncio.to_thread(talk, first, b"of one") is None
            assert await asyncio.to_thread(talk, second, b"of two") is None
            assert await asyncio.to_thread(talk, first, b"last") == b"of one"
            every = [at for ports in listening(process_world.run_id).values() for at in ports]
            assert sorted(every) == sorted(urlsplit(url).netloc.rpartition("@")[2] for url in (first, second))
            await runtime.stop_store("one")
            again = await runtime.start_store(spec("one"))
            assert await asyncio.to_thread(talk, again, b"of one") is None, "the store is not fresh"
            assert await asyncio.to_thread(talk, second, b"last") == b"of two"
        assert listening(process_world.run_id) == {}

    asyncio.run(scenario())
