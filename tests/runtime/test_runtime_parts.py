"""The pure parts of the runtimes."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from docker.errors import ImageNotFound
from hypothesis import given
from hypothesis import strategies as st

from verifier.cli.run import run as run_command
from verifier.errors import BrokenEnvironment
from verifier.runtime import cleanup, engine, images, labels
from verifier.runtime import leftovers as sweep
from verifier.runtime import select as selecting
from verifier.runtime.base import Address, Build, StartFailure
from verifier.runtime.http_probe import http_answers
from verifier.runtime.identity import ProcessIdentity, place, start_of
from verifier.runtime.images import Wanted
from verifier.runtime.leftovers import Leftover, until_quiet
from verifier.runtime.local import signal_number
from verifier.runtime.logs import LineSearch, tail
from verifier.runtime.readiness import until_ready
from verifier.runtime.stores.nats import NATS
from verifier.runtime.stores.postgres import POSTGRES, Account
from verifier.runtime.stores.postgres import answers as postgres_answers
from verifier.runtime.stores.redis import REDIS
from verifier.runtime.stores.registered import KINDS, PROCESS_STORES, of_image, of_process, url


class Time:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


LEFT = Leftover("r", "process", "1", "x", None)


@given(st.lists(st.integers(0, 2), max_size=30))
def test_scans_go_on_until_all_was_quiet_for_long_enough(finds: list[int]) -> None:
    time, todo, seen = Time(), iter(finds), []

    def scan() -> list[Leftover]:
        found = [LEFT] * next(todo, 0)
        seen.append((time.now, len(found)))
        return found

    removed = until_quiet([scan], 2.0, 1000.0, time.clock, time.pause)
    last = max([at for at, count in seen if count], default=100.0)
    assert len(removed) == sum(count for _, count in seen)
    assert seen[-1][1] == 0
    assert seen[-1][0] - last >= 2.0
    assert all(count == 0 for at, count in seen if at > last)
    # Whatever it did not see would have come more than the quiet time after what it saw last.
    assert all(later - earlier <= 0.5 for (earlier, _), (later, _) in itertools.pairwise(seen))


def test_scans_end_at_the_limit() -> None:
    time = Time()
    until_quiet([lambda: [LEFT]], 1.0, 10.0, time.clock, time.pause)
    assert 110.0 <= time.now <= 111.0


def test_one_quiet_scan_is_always_made() -> None:
    calls = []
    until_quiet([lambda: calls.append(1) or []], 0.0, 10.0)  # type: ignore[func-returns-value]
    assert calls == [1]


def test_an_owner_is_alive_only_as_the_same_process_in_the_same_place() -> None:
    me = ProcessIdentity.current()
    assert ProcessIdentity.parse(str(me)) == me
    assert me.alive() is True
    assert replace(me, started="1").alive() is False
    assert replace(me, place="elsewhere").alive() is None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        other = ProcessIdentity(child.pid, start_of(child.pid), place())
        assert other.alive() is True
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert other.alive() is False  # a zombie has ended
    assert other.alive() is False


@pytest.mark.parametrize("text", ["", "1", "1:2", "x:2:3", "1:2:3:4", "-1:2:3"])
def test_what_is_no_owner(text: str) -> None:
    assert ProcessIdentity.parse(text) is None


def test_a_run_goes_when_its_owner_is_gone_and_stays_when_that_is_not_known() -> None:
    gone, alive = replace(ProcessIdentity.current(), started="1"), ProcessIdentity.current()
    far = replace(alive, place="elsewhere")
    cases: list[tuple[list[ProcessIdentity | None], bool | None]] = [
        ([gone], False), ([gone, None], False), ([alive], True), ([gone, alive], True),
        ([far], None), ([gone, far], None), ([None], None),
    ]  # fmt: skip
    for owners, expected in cases:
        assert cleanup.state([replace(LEFT, owner=owner) for owner in owners]) is expected


@pytest.mark.parametrize("run", ["", "../x", "a/b", "-a", "a b", "a" * 82])
def test_a_run_id_must_be_able_to_name_things(run: str) -> None:
    with pytest.raises(ValueError, match="cannot name a run"):
        labels.scratch(run)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=8), max_size=8),
    st.lists(st.integers(0, 40), max_size=6),
    st.booleans(),
)
def test_a_line_is_found_however_the_log_grows(lines: list[str], cuts: list[int], there: bool) -> None:
    import tempfile

    text = "\n".join([*lines, *(["Ready: yes"] if there else []), ""]).encode()
    expected = any(re.search("^Ready: y", line) for line in text.decode().split("\n"))
    pieces = [text[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(text)], strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        search = LineSearch(log, "^Ready: y")
        assert search.found() is False
        found = False
        for piece in pieces:
            with log.open("ab") as file:
                file.write(piece)
            found = search.found() or found
    assert found == expected


def test_a_tail_is_the_last_lines_from_a_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == ""
    log.write_bytes(b"one\ntwo\xff\nthree\n")
    assert tail(log, 2) == "two\ufffd\nthree"
    assert tail(log, 9, start=9) == "three"
    log.write_text("x" * 100_000 + "\nlast\n")
    assert tail(log, 1) == "last"


def test_readiness_polls_often_at_first_and_ends_with_the_replica(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()
        asked = 0

        async def third_time() -> bool:
            nonlocal asked
            asked += 1
            return asked == 3

        assert await until_ready(third_time, ended, 30.0, tmp_path / "log") is None
        assert asked == 3

        async def hangs() -> bool:
            loop.call_later(0.01, ended.set_result, 5)
            await asyncio.Event().wait()
            return True

        failure = await until_ready(hangs, ended, 30.0, tmp_path / "log")
        assert failure == StartFailure("exited", "exited with status 5 before it was ready", "")

    asyncio.run(scenario())


def test_who_does_not_get_ready_is_told_of_with_what_came_instead(tmp_path: Path) -> None:
    async def failure(*found: bool | str) -> StartFailure | None:
        answers = iter(found)

        async def probe() -> bool | str:
            return next(answers, found[-1])

        return await until_ready(probe, asyncio.get_running_loop().create_future(), 0.2, tmp_path / "log")

    said = asyncio.run(failure("GET /health got no answer", "GET /health was answered 404"))
    assert said == StartFailure("never-ready", "not ready within 0.2 s: GET /health was answered 404", "")
    assert asyncio.run(failure(False)) == StartFailure("never-ready", "not ready within 0.2 s", "")
    assert asyncio.run(failure("GET /health was answered 404", True)) is None


def test_http_answers_tell_what_came() -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/down":
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(204 if request.url.path == "/health" else 404)

    async def asked(path: str) -> bool | str:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answers)) as client:
            return await http_answers(client, Address("127.0.0.1", 1), path)

    assert asyncio.run(asked("health")) is True
    assert asyncio.run(asked("/healthz")) == "GET /healthz was answered 404"
    assert asyncio.run(asked("/down")) == "GET /down got no answer (refused)"


def test_an_image_is_known_by_the_last_part_of_its_name() -> None:
    assert of_image("registry.example/library/postgres:15-alpine") is POSTGRES
    assert of_image("127.0.0.1:5000/redis") is REDIS
    assert of_image("nats@sha256:00") is NATS
    assert of_image("shop/postgres-backup:1") is None
    assert of_image(None) is None


def test_known_stores_have_urls() -> None:
    assert url("postgres:15", (), "db", 5432) == "postgresql://postgres:verifier@db:5432/postgres"
    assert url("rabbitmq:3", (("RABBITMQ_DEFAULT_USER", "u"),), "mq", 5672) == "amqp://u:guest@mq:5672/"
    assert url("valkey:8", (), "c", 6379) == "redis://c:6379/0"
    assert url("nats", (), "n", 4222) == "nats://n:4222"
    assert url(None, (), "127.0.0.1", 7) == "tcp://127.0.0.1:7"
    assert POSTGRES.environment((("POSTGRES_USER", "u"),))["POSTGRES_DB"] == "u"
    assert REDIS.environment((("A", "b"),)) == {"A": "b"}
    assert Account.of(()).url("h", 1) == "postgresql://postgres:verifier@h:1/postgres"


def test_arguments_are_for_official_entry_points() -> None:
    assert POSTGRES.command(["docker-entrypoint.sh"])[:3] == ["postgres", "-c", "fsync=off"]  # type: ignore[index]
    assert POSTGRES.command(["/own.sh"]) is None
    assert POSTGRES.command(None) is None
    assert REDIS.command(["docker-entrypoint.sh"]) is None


def test_kinds_of_stores_are_told_apart() -> None:
    names, images = [kind.name for kind in KINDS], [image for kind in KINDS for image in kind.images]
    assert len(set(names)) == len(names) > 0
    assert len(set(images)) == len(images) > 0
    assert all(kind.port for kind in KINDS if kind.images)
    assert PROCESS_STORES == ("sqlite", "postgres", "redis", "rabbitmq", "nats", "file", "directory")
    assert [of_process(name).name for name in PROCESS_STORES] == list(PROCESS_STORES)
    for command in ("command", "mysql", ("sqlite",), ("nats", "-p", "{port}")):
        assert of_process(command).name == "command"


@pytest.mark.parametrize(
    ("answer", "ready"),
    [(b"R\0\0\0\x08", True), (b"E\0\0\0\x08C57P03\0", False), (b"", False), (b"HTTP/1.1 400", False)],
)
def test_postgres_is_asked_in_its_own_words(answer: bytes, ready: bool) -> None:
    async def scenario() -> None:
        heard: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            size = int.from_bytes(await reader.readexactly(4), "big")
            heard.append(await reader.readexactly(size - 4))
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        from verifier.runtime.base import Address

        at = Address("127.0.0.1", server.sockets[0].getsockname()[1])
        assert await postgres_answers(at, Account("u", "p", "d")) is ready
        assert heard == [b"\0\x03\0\0user\0u\0database\0d\0\0"]
        server.close()
        assert await postgres_answers(at, Account("u", "p", "d")) is False

    asyncio.run(scenario())


class EmptyEngine:
    """An engine without images, and what it is asked to pull."""

    def __init__(self) -> None:
        self.images = self.api = self
        self.pulled: list[tuple[str, str]] = []

    def get(self, name: str) -> None:
        raise ImageNotFound(name)

    def pull(self, name: str, *, tag: str, stream: bool, decode: bool) -> list[dict[str, str]]:
        self.pulled.append((name, tag))
        return [{"status": "done"}]


@pytest.mark.parametrize(
    ("image", "name", "tag"),
    [
        ("postgres", "postgres", "latest"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b", "latest"),
        ("127.0.0.1:5000/a/b:2", "127.0.0.1:5000/a/b", "2"),
        ("a/b@sha256:00", "a/b", "sha256:00"),
    ],
)
def test_one_image_is_pulled_and_never_all_tags_of_it(image: str, name: str, tag: str, tmp_path: Path) -> None:
    client = EmptyEngine()
    images.provide(client, Wanted(image, None, "store db"), tmp_path)  # type: ignore[arg-type]
    assert client.pulled == [(name, tag)]


def test_a_context_s_digest_follows_what_a_build_reads(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / ".dockerignore").write_text("# not these\n*.log\n")
    (tmp_path / "code").write_text("1")
    want = Wanted("x:1", Build(tmp_path), "x 1")
    first = images.context_digest(want)
    (tmp_path / "noise.log").write_text("ignored")
    assert images.context_digest(want) == first
    (tmp_path / "code").write_text("2")
    second = images.context_digest(want)
    (tmp_path / "code").chmod(0o755)
    third = images.context_digest(want)
    args = images.context_digest(replace(want, build=Build(tmp_path, args=(("A", "1"),))))
    assert len({first, second, third, args}) == 4


def test_signals_are_known_by_both_names() -> None:
    assert signal_number("TERM") == signal_number("SIGTERM") == 15
    with pytest.raises(BrokenEnvironment, match="SIGNOPE"):
        signal_number("SIGNOPE")


@pytest.mark.parametrize(
    ("choice", "problem", "expected"),
    [("auto", None, ("docker", "a container engine answers")),
     ("auto", "no socket", ("process", "no container engine answers: no socket")),
     ("docker", None, ("docker", "requested")),
     ("process", None, ("process", "requested")), ("process", "no socket", ("process", "requested"))],
)  # fmt: skip
def test_a_runtime_is_chosen_with_a_reason(
    choice: Any, problem: str | None, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "answers", lambda: problem)
    chosen = selecting.select(choice)
    assert (chosen.name, chosen.reason) == expected


def test_a_runtime_that_the_matrix_cannot_run_on_is_not_chosen_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "answers", lambda: None)
    unfit = {"docker": "orders 1 has no image"}
    chosen = selecting.select("auto", unfit)
    assert (chosen.name, chosen.reason) == ("process", "orders 1 has no image")
    assert selecting.select("docker", unfit).name == "docker"


def test_docker_asked_for_without_an_engine_is_a_broken_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "answers", lambda: "no socket")
    with pytest.raises(BrokenEnvironment, match="no socket"):
        selecting.select("docker")


def test_the_list_of_runtimes_is_what_the_command_line_offers(tmp_path: Path) -> None:
    names = [kind.name for kind in selecting.RUNTIMES]
    assert len({*names, selecting.AUTO}) == len(names) + 1
    (option,) = (found for found in run_command.params if found.name == "choice")
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == [selecting.AUTO, *names]
    for name in names:
        assert selecting.make(name, "run-1", tmp_path).name == name


def test_where_no_runtime_can_be_used_every_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = tuple(replace(kind, problem=lambda: "no luck") for kind in selecting.RUNTIMES)
    monkeypatch.setattr(selecting, "RUNTIMES", refused)
    with pytest.raises(BrokenEnvironment) as raised:
        selecting.select("auto")
    assert all(kind.unusable in str(raised.value) for kind in refused)


def test_an_engine_that_hangs_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    held = threading.Event()
    monkeypatch.setattr(engine, "answers", held.wait)
    monkeypatch.setattr(selecting, "ANSWERS_WITHIN", 0.05)
    assert selecting.select("auto").name == "process"
    held.set()


def test_no_engine_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert engine.answers() == "No such file or directory"
    monkeypatch.setenv("DOCKER_HOST", "nonsense://x")
    assert "nonsense" in (engine.answers() or "")


def test_a_folder_that_somebody_else_put_there_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "temporary", lambda: tmp_path)
    owner = ProcessIdentity.current()
    sweep.mark_folder("mine", owner)
    (found,) = sweep.folders()
    assert (found.run, found.owner) == ("mine", owner)
    assert [item.run for item in sweep.remove_folder("mine")] == ["mine"]
    assert sweep.folders() == []
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    labels.scratch("theirs").symlink_to(elsewhere)
    with pytest.raises(BrokenEnvironment, match="belongs to somebody else"):
        sweep.mark_folder("theirs", owner)
    assert list(elsewhere.iterdir()) == []
