"""Coverage-guided fuzzing of the HTTP readers, by hand: client, server, recording proxy and HTTP/2.

    python tests/fuzz/http_reader.py -max_total_time=600 -max_len=512

Needs atheris (not a dependency of the tests). The first byte of the input chooses the reader, the second how the rest
is cut into pieces. Whatever comes must end in an outcome: no exception, and nothing left waiting.
"""

import asyncio
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "replay" / "wire"))

with atheris.instrument_imports(include=["verifier", "test_wire_fuzz"]):
    from test_wire_fuzz import Reference, Transport, outcome

    from verifier.history.message import Request, Response
    from verifier.replay.recorder.messages import Broken, MessageReader
    from verifier.replay.wire.http2 import Http2Connection
    from verifier.replay.wire.server import Listener, Peer, Reply, ServerConnection

HEADERS = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"h"), (b":path", b"/")]
LOOP = asyncio.new_event_loop()


def client(data: bytes, size: int) -> None:
    how, response = outcome([data[start : start + size] for start in range(0, len(data), size)])
    assert (response is None) == (how != "")
    assert response == Reference().first(data)


async def answer(request: Request, _peer: Peer) -> Reply:
    return Reply(Response(200, (), request.body))


async def server(data: bytes, size: int) -> None:
    listener = Listener(answer, None, 10_000, 100)
    transport = Transport()
    connection = ServerConnection(listener, LOOP)
    connection.connection_made(transport)
    for start in range(0, len(data), size):
        if not transport.closed:
            connection.data_received(data[start : start + size])
    while (task := connection.finish()) is not None:
        await task
    assert transport.closed
    assert listener.failures == 0


async def recorder(data: bytes, kind: int) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    request = kind % 2 == 0
    reader = MessageReader(stream, "request" if request else "response")
    try:
        while (head := await reader.head(not request and kind % 4 == 1)) is not None:
            if head.upgrade:
                if not request or head.method == "CONNECT":
                    return
                reader.ignore_upgrade()
            async for _ in reader.body():
                pass
    except Broken:
        pass


async def http2(data: bytes) -> None:
    connection = Http2Connection(LOOP, lambda: 0.0, 1000)
    connection.connection_made(Transport())
    _, stream = connection.open(HEADERS, True, None)
    connection.data_received(b"\0\0\0\4\0\0\0\0\0" + data)
    connection.connection_lost(None)
    assert stream.done.done()


def one_input(data: bytes) -> None:
    if len(data) < 3:
        return
    kind, size, rest = data[0], data[1] + 1, data[2:]
    if kind % 4 == 0:
        client(rest, size)
    elif kind % 4 == 1:
        LOOP.run_until_complete(server(rest, size))
    elif kind % 4 == 2:
        LOOP.run_until_complete(recorder(rest, size))
    else:
        LOOP.run_until_complete(http2(rest))


def main() -> None:
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
