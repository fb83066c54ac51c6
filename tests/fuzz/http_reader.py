"""Coverage-guided fuzzing of the HTTP readers, by hand: client, server, recording proxy, HTTP/2, what streams, events.

    python tests/fuzz/http_reader.py CORPUS -max_total_time=600 -max_len=512

Needs atheris (not a dependency of the tests). The first byte of the input chooses the reader, the second how the rest
is cut into pieces. Whatever comes must end in an outcome: no exception, and nothing left waiting. With READERS=streams
in the environment only what streams is fuzzed: answers that are handed over, requests that are handed on, offered
WebSockets, slow reading of HTTP/2, server-sent events. The first two must come out as what is read as a whole;
`event_oracles.py` says what must hold of events. CORPUS is a folder, into which the messages of the property tests are
put to start from.
"""

import asyncio
import os
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))

with atheris.instrument_imports(include=["verifier", "event_oracles", "test_wire_fuzz", "test_wire_fuzz_streams"]):
    import event_oracles as oracles
    from test_wire_fuzz import REQUESTS, RESPONSES, Reference, Transport, outcome, outcome_of_third_request
    from test_wire_fuzz_streams import OFFERS, STREAMS, check_requests, check_response, shorten_patience

    from verifier.http.h1 import BrokenMessage
    from verifier.http.h2 import Http2Connection
    from verifier.http.message import Request, Response
    from verifier.http.message_reader import MessageReader
    from verifier.http.server import Listener, Peer, Reply, ServerConnection

HEADERS = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"h"), (b":path", b"/")]
KINDS = 8
LOOP = asyncio.new_event_loop()
ONLY_STREAMS = os.environ.get("READERS") == "streams"


def client(data: bytes, size: int) -> None:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    how, response = outcome(pieces)
    assert (response is None) == (how != "")
    assert outcome_of_third_request(pieces) == (how, response)
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
    except BrokenMessage:
        pass


async def http2(data: bytes, slow: bool) -> None:
    connection = Http2Connection(LOOP, lambda: 0.0, 1000)
    connection.connection_made(Transport())
    if slow:
        connection.read_slowly(1e6)
    _, stream = connection.open(HEADERS, True, None)
    connection.data_received(b"\0\0\0\4\0\0\0\0\0" + data)
    if slow:
        await asyncio.sleep(len(data) / 1e6)
    connection.connection_lost(None)
    assert stream.done.done()


def uneven(data: bytes, size: int) -> list[bytes]:
    """In pieces of two sizes in turn, one of which may be 0."""
    found, start = [], 0
    while start < len(data):
        for most in (1 + size % 16, size // 16):
            found.append(data[start : start + most])
            start += most
    return found


def one_input(data: bytes) -> None:
    if len(data) < 3:
        return
    kind, size, rest = data[0], data[1] + 1, data[2:]
    pieces = [rest[start : start + size] for start in range(0, len(rest), size)]
    match kind % KINDS if not ONLY_STREAMS else 4 + kind % (KINDS - 4):
        case 0:
            client(rest, size)
        case 1:
            LOOP.run_until_complete(server(rest, size))
        case 2:
            LOOP.run_until_complete(recorder(rest, size))
        case 3:
            LOOP.run_until_complete(http2(rest, False))
        case 4:
            check_response(pieces, kind // 16, kind % 16 > 7)
        case 5:
            LOOP.run_until_complete(check_requests(pieces))
        case 6:
            LOOP.run_until_complete(http2(rest, True))
        case 7:
            oracles.pieces_do_not_matter(uneven(rest, size))
            oracles.only_data_change(rest)


def seed(corpus: Path) -> None:
    frames = b"\0\0\1\1\4\0\0\0\1\x88" + b"\0\0\5\0\0\0\0\0\1hello" + b"\0\0\5\0\1\0\0\0\1world"
    samples = [*RESPONSES, *STREAMS, *REQUESTS, *OFFERS, frames, *oracles.STREAMS]
    for number, sample in enumerate(samples):
        for kind in range(KINDS):
            for size in (7, 255):
                (corpus / f"seed-{number}-{kind}-{size}").write_bytes(bytes([kind, size]) + sample)


def main() -> None:
    for argument in sys.argv[1:]:
        if Path(argument).is_dir():
            seed(Path(argument))
    shorten_patience(setattr)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
