"""A connection of a proxy whose other side has gone."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from verifier.http.duplex import DuplexStream
from verifier.http.h1 import BrokenMessage


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_write_after_the_end_is_a_broken_message(loop: object) -> None:
    """Whichever loop runs it: a closed transport of uvloop raises another error than one of asyncio."""

    async def scenario() -> None:
        accepted: asyncio.Future[DuplexStream] = asyncio.get_running_loop().create_future()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result(DuplexStream(reader, writer, "request"))

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        _, client = await asyncio.open_connection(*server.sockets[0].getsockname())
        stream = await accepted
        await stream.send(b"before")
        stream.abort()
        await asyncio.sleep(0)  # the loop closes the transport
        with pytest.raises(BrokenMessage):
            await stream.send(b"after")
        await stream.send_eof()
        assert stream.sent == len(b"before")
        client.close()
        server.close()

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(scenario())
