"""The log of a container is complete when it has ended, whatever is missing in the stream that is followed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import NotFound

from verifier.runtime.base import Address
from verifier.runtime.container import Container, HostPath

NOWHERE = HostPath(Address("127.0.0.1", 0), Address("127.0.0.1", 0))
EARLIER = b"of an earlier start\n"


class Engine:
    """`lines` are what a container has written; the stream that is followed ends after `followed` of them."""

    def __init__(self, lines: list[bytes], followed: int, *, removed: bool = False) -> None:
        self.lines, self.followed, self.removed = lines, followed, removed
        self.streams = 0
        self.api = self

    def logs(self, _id: str, *, follow: bool = False, stream: bool = False, tail: int | None = None, **_: bool) -> Any:
        if self.removed and not follow:
            raise NotFound("no such container")
        if not stream:
            assert tail is not None, "the whole log may be large"
            return b"".join(self.lines[-tail:])
        self.streams += 1
        return self._sent(self.lines[: self.followed] if follow else self.lines)

    def _sent(self, lines: list[bytes]) -> Iterator[bytes]:
        yield from lines

    def wait(self, _id: str, timeout: None) -> dict[str, int]:
        return {"StatusCode": 5}


def logged(engine: Engine, log: Path) -> tuple[bytes, int]:
    """What the log holds when the container has ended, and its exit status."""

    async def scenario() -> int:
        container = Container(SimpleNamespace(api=engine), "c" * 12, NOWHERE, log)  # type: ignore[arg-type]
        return await asyncio.wait_for(container.ended, 20)

    status = asyncio.run(scenario())
    return log.read_bytes(), status


LINES = [b"%d\n" % number for number in range(300)]


@pytest.mark.parametrize("followed", [0, 1, 100, 299, 300, 301])
@pytest.mark.parametrize("before", [b"", EARLIER])
def test_lines_that_the_stream_left_out_are_appended(tmp_path: Path, followed: int, before: bytes) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(before)
    engine = Engine([*LINES, b"without a line break"], followed)
    assert logged(engine, log) == (before + b"".join(engine.lines), 5)
    assert engine.streams == (1 if followed == 301 else 2), "a complete log is not read again"


@pytest.mark.parametrize("lines", [[], [b"same\n"] * 200, [b"short"]])
def test_nothing_is_written_twice(tmp_path: Path, lines: list[bytes]) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(EARLIER)
    assert logged(Engine(lines, len(lines)), log) == (EARLIER + b"".join(lines), 5)


def test_a_container_that_is_removed_meanwhile_has_ended(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert logged(Engine(LINES, 7, removed=True), log) == (b"".join(LINES[:7]), 5)
