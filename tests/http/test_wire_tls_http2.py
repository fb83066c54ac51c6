"""TLS, HTTP/2 by prior knowledge and by ALPN, and slow reading."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from wire_peers import LOOPS, on_loop, raw_server, read_head, responds_with

from verifier.http.client import ReleaseBarrier, SendResult, WireClient
from verifier.http.message import Request, header

GET = Request("GET", "/a?b=c", (("Accept", "*/*"), ("Connection", "keep-alive"), ("Host", "shop")))

pytestmark = pytest.mark.parametrize("loop", sorted(LOOPS))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, *form) + made.public_bytes(pem))
    return path


def contexts(certificate: Path, *protocols: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Server's and client's."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    asking = ssl.create_default_context(cafile=str(certificate))
    if protocols:
        serving.set_alpn_protocols(list(protocols))
        asking.set_alpn_protocols(["h2", "http/1.1"])
    return serving, asking


class Http2Server:
    """Answers each whole request by `respond`; one instance serves any number of connections."""

    def __init__(self, respond: Callable[[h2.connection.H2Connection, int, bytes], None], **settings: int) -> None:
        self.respond = respond
        self.connections = 0
        self.requests: list[tuple[dict[bytes, bytes], bytes]] = []
        self.resets: list[int] = []
        self.begun = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
        self.connections += 1
        conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        conn.initiate_connection()
        heads: dict[int, dict[bytes, bytes]] = {}
        bodies: dict[int, bytes] = {}
        while True:
            writer.write(conn.data_to_send())
            data = await reader.read(65536)
            if not data:
                return
            for event in conn.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    heads[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
                    self.begun.set()
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamReset):
                    self.resets.append(event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.requests.append((heads[event.stream_id], bodies[event.stream_id]))
                    self.respond(conn, event.stream_id, bodies[event.stream_id])
                self.other(conn, event)

    def other(self, conn: h2.connection.H2Connection, event: h2.events.Event) -> None:
        """For servers that look at more."""


def echo(conn: h2.connection.H2Connection, number: int, body: bytes) -> None:
    conn.send_headers(number, [(":status", "201"), ("x-length", str(len(body)))])
    conn.send_data(number, body[:1000], end_stream=True)


@asynccontextmanager
async def http2_server(server: Http2Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await server.serve(reader, writer, 0)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_tls(loop: str, certificate: Path) -> None:
    async def main() -> None:
        serving, asking = contexts(certificate)
        script = responds_with(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await script(reader, writer, 0)
            await script(reader, writer, 0)
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=serving)
        port = server.sockets[0].getsockname()[1]
        client = WireClient()
        for _ in range(2):
            answer = await client.send("127.0.0.1", port, GET, tls=asking)
            assert answer.response is not None
            assert answer.response.body == b"ok"
        untrusting = ssl.create_default_context()
        answer = await client.send("127.0.0.1", port, GET, tls=untrusting)
        assert (answer.error, answer.sent) == ("refused", False)
        await client.close()
        server.close()

    on_loop(loop, main)


def test_http2_by_prior_knowledge(loop: str) -> None:
    async def main() -> None:
        server = Http2Server(echo)
        async with http2_server(server) as port:
            client = WireClient()
            posts = [Request("POST", f"/{n}", (("X-N", str(n)),), bytes(n * 50_000)) for n in range(5)]
            found = await asyncio.gather(*[client.send("127.0.0.1", port, post, http2=True) for post in posts])
            assert [answer.error for answer in found] == [""] * 5
            lengths = [header(answer.response.headers, "x-length") for answer in found if answer.response]
            assert lengths == [str(n * 50_000) for n in range(5)]
            answer = await client.send("127.0.0.1", port, GET, http2=True)
            assert answer.response is not None
            assert (answer.response.status, answer.reused) == (201, True)
            await client.close()
        assert server.connections == 1
        head, _ = server.requests[-1]
        assert head == {
            b":method": b"GET",
            b":scheme": b"http",
            b":authority": b"shop",
            b":path": b"/a?b=c",
            b"accept": b"*/*",
        }

    on_loop(loop, main)


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_tls_negotiates_the_protocol(loop: str, certificate: Path, protocol: str) -> None:
    async def main() -> None:
        serving, asking = contexts(certificate, protocol)
        server = Http2Server(echo)
        plain = responds_with(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        if protocol == "http/1.1":
            server.serve = plain  # type: ignore[method-assign]
        async with http2_server(server, serving) as port:
            client = WireClient()
            answer = await client.send("127.0.0.1", port, GET, tls=asking)
            assert answer.response is not None
            assert answer.response.status == (201 if protocol == "h2" else 200)
            await client.close()

    on_loop(loop, main)


def one(loop: str, respond: Callable[[h2.connection.H2Connection, int, bytes], None], **how: object) -> SendResult:
    async def main() -> SendResult:
        server = Http2Server(respond)
        async with http2_server(server) as port:
            client = WireClient(max_body=500)
            request = Request("POST", "/", (), b"0123456789")
            answer = await client.send("127.0.0.1", port, request, http2=True, **how)  # type: ignore[arg-type]
            await client.close()
            return answer

    return on_loop(loop, main)


def refuse(conn: h2.connection.H2Connection, number: int, _body: bytes) -> None:
    conn.reset_stream(number, h2.errors.ErrorCodes.REFUSED_STREAM)


def break_stream(conn: h2.connection.H2Connection, number: int, _body: bytes) -> None:
    conn.send_headers(number, [(":status", "200")])
    conn.reset_stream(number, h2.errors.ErrorCodes.INTERNAL_ERROR)


def go_away(conn: h2.connection.H2Connection, number: int, _body: bytes) -> None:
    conn.close_connection(last_stream_id=0)


def too_long(conn: h2.connection.H2Connection, number: int, _body: bytes) -> None:
    conn.send_headers(number, [(":status", "200")])
    conn.send_data(number, b"x" * 600, end_stream=True)


def silent(conn: h2.connection.H2Connection, number: int, _body: bytes) -> None:
    pass


def test_http2_ends_are_words(loop: str) -> None:
    refused = one(loop, refuse)
    assert (refused.error, refused.sent) == ("refused", False)
    assert one(loop, go_away).error == "refused"
    assert one(loop, break_stream).error == "reset"
    assert one(loop, too_long).error == "body-too-large"
    assert one(loop, silent, timeout=0.05).error == "timeout"
    assert one(loop, echo, cut_after=4).error == "reset"
    assert one(loop, echo, cut_response_after=4).error == "reset"
    assert one(loop, echo, cut_response_after=11).error == ""


def test_what_is_not_http2_is_garbage(loop: str) -> None:
    async def main() -> str:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            await reader.read()

        async with raw_server(script) as server:
            return (await WireClient().send("127.0.0.1", server.port, GET, http2=True)).error

    assert on_loop(loop, main) == "garbage"


def test_http2_request_held_and_cut(loop: str) -> None:
    async def main() -> None:
        server = Http2Server(echo)
        async with http2_server(server) as port:
            client = WireClient()
            hold = asyncio.Event()
            post = Request("POST", "/", (), b"0123456789")
            task = asyncio.ensure_future(client.send("127.0.0.1", port, post, http2=True, hold=hold))
            await server.begun.wait()
            assert server.requests == []
            hold.set()
            assert (await task).error == ""
            together = ReleaseBarrier(2)
            pair = [client.send("127.0.0.1", port, GET, http2=True, hold=together) for _ in "12"]
            assert [answer.error for answer in await asyncio.gather(*pair)] == ["", ""]
            await client.send("127.0.0.1", port, post, http2=True, cut_after=4)
            await client.send("127.0.0.1", port, GET, http2=True)  # answered after the reset was read
            assert len(server.resets) == 1
            await client.close()

    on_loop(loop, main)


def test_slow_reading_leaves_the_answer_with_the_service(loop: str) -> None:
    """A megabyte at ten kilobytes per second cannot end in time, and the service notices; read at once it does."""
    size = 1 << 20

    async def main() -> None:
        written = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int) -> None:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            writer.transport.set_write_buffer_limits(0)
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            await writer.drain()
            written.set()

        async with raw_server(script) as server:
            client = WireClient()
            slow = await client.send("127.0.0.1", server.port, GET, slow_read=10_000.0, timeout=0.2)
            assert (slow.error, written.is_set()) == ("timeout", False)
            quick = await client.send("127.0.0.1", server.port, GET, slow_read=1e9)
            assert quick.response is not None
            assert len(quick.response.body) == size

    on_loop(loop, main)


class Window:
    """Says `size` bytes as fast as flow control lets it, and keeps count."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.said = 0

    def begin(self, conn: h2.connection.H2Connection, number: int, _body: bytes) -> None:
        conn.send_headers(number, [(":status", "200")])
        self.go_on(conn, number)

    def go_on(self, conn: h2.connection.H2Connection, number: int) -> None:
        while self.left:
            size = min(self.left, conn.local_flow_control_window(number), conn.max_outbound_frame_size)
            if not size:
                return
            self.left -= size
            self.said += size
            conn.send_data(number, b"x" * size, end_stream=not self.left)


class WindowServer(Http2Server):
    """Goes on where the client opens its window."""

    def __init__(self, window: Window) -> None:
        super().__init__(window.begin)
        self.window = window

    def other(self, conn: h2.connection.H2Connection, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.WindowUpdated) and event.stream_id and self.requests:
            self.window.go_on(conn, event.stream_id)


async def read_slowly(rate: float, size: int, tls: Path | None, **how: object) -> tuple[SendResult, int, float, int]:
    """The answer, bytes said by the service until it came, seconds from sending to then, connections in all."""
    loop = asyncio.get_running_loop()
    serving, asking = contexts(tls, "h2") if tls else (None, None)
    server = WindowServer(Window(size))
    async with http2_server(server, serving) as port:
        client = WireClient()
        began = loop.time()
        answer = await client.send("127.0.0.1", port, GET, http2=not tls, tls=asking, slow_read=rate, **how)  # type: ignore[arg-type]
        said, took = server.window.said, loop.time() - began
        server.respond = echo
        for _ in "12":
            after = await client.send("127.0.0.1", port, GET, http2=not tls, tls=asking)
            assert after.error == "", "a slow reader's connection carries no other request"
        await client.close()
        return answer, said, took, server.connections


@pytest.mark.parametrize("secured", [False, True])
def test_slow_reading_of_http2_leaves_the_answer_with_the_service(loop: str, certificate: Path, secured: bool) -> None:
    """Bounds that hold however slow the machine is: no more was said than could have been read, plus one window."""
    size, rate = 1 << 20, 20_000.0
    tls = certificate if secured else None
    slow, said, took, connections = on_loop(loop, lambda: read_slowly(rate, size, tls, timeout=0.5))
    assert slow.error == "timeout"
    assert 0 < said <= rate / 8 + rate * took
    assert connections == 2, "its own, and one for the others"
    quick, said, _, _ = on_loop(loop, lambda: read_slowly(1e9, size, tls))
    assert quick.response is not None
    assert (said, quick.response.body) == (size, b"x" * size)


def test_slow_reading_of_http2_reaches_the_end_at_its_pace(loop: str) -> None:
    size, rate = 20_000, 50_000.0
    slow, said, took, _ = on_loop(loop, lambda: read_slowly(rate, size, None))
    assert slow.response is not None
    assert (said, slow.response.body) == (size, b"x" * size)
    assert took >= (size - rate / 8) / rate
