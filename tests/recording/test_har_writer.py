"""What is written reads back equal; what is secret never reaches the disk, and stays recognisable as itself."""

import base64
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.http.message import Headers, Request, Response, header
from verifier.recording.har import HarWriter, read_har
from verifier.recording.load import load
from verifier.recording.model import Exchange, Recording, Session
from verifier.recording.redact import Redaction

NAMES = st.sampled_from(["X-One", "x-two", "ETag", "Accept", "Content-Type"])
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=12)
HEADERS = st.lists(st.tuples(NAMES, VALUES.map(lambda text: text.strip(" \t"))), max_size=3).map(tuple)
PATHS = st.text("abz019-._~%20/", max_size=12).map(lambda text: f"/{text}")
SECONDS = st.integers(0, 10**9).map(lambda microseconds: round(microseconds / 1e6, 6))
EXCHANGES = st.builds(
    Exchange,
    request=st.builds(
        Request, st.sampled_from(["GET", "POST", "PATCH", "PURGE"]), PATHS, HEADERS, st.binary(max_size=40)
    ),
    response=st.builds(Response, st.integers(200, 599), HEADERS, st.binary(max_size=40) | st.just("é€".encode())),
    host=st.sampled_from(["orders:8080", "127.0.0.1:1", "[::1]:80", "shop.example"]),
    at=SECONDS,
    took=SECONDS,
)


@given(rest=st.lists(st.tuples(EXCHANGES, st.sampled_from(["a", "b"])), max_size=6), first=EXCHANGES)
@settings(max_examples=80, deadline=None)
def test_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, rest: list[tuple[Exchange, str]], first: Exchange
) -> None:
    path = tmp_path_factory.mktemp("har") / "x.har"
    began = 1767323045.25
    first = Exchange(first.request, first.response, first.host, 0.0, first.took)
    written = [(first, "a"), *rest]
    with HarWriter(path, redact=None, began=began) as writer:
        for exchange, session in written:
            writer.add(exchange, session)
    expected: dict[str, list[Exchange]] = {}
    numbered = [
        (Exchange(exchange.request, exchange.response, exchange.host, exchange.at, exchange.took, number), session)
        for number, (exchange, session) in enumerate(written, 1)
    ]
    for exchange, session in sorted(numbered, key=lambda pair: pair[0].at):
        expected.setdefault(session, []).append(exchange)
    sessions = tuple(Session(name, tuple(exchanges)) for name, exchanges in expected.items())
    assert load(path) == Recording(str(path), sessions, began)
    assert read_har(path, largest_whole=0) == load(path)


def record(path: Path, *exchanges: Exchange, redact: Redaction | None = Redaction()) -> list[Exchange]:  # noqa: B008
    with HarWriter(path, redact) as writer:
        for exchange in exchanges:
            writer.add(exchange, "a")
    return list(load(path).sessions[0].exchanges)


def exchange(
    target: str = "/", sent: Headers = (), body: bytes = b"", answered: Headers = (), text: bytes = b""
) -> Exchange:
    return Exchange(Request("POST", target, sent, body), Response(200, answered, text), "h", 0.0, 0.0)


SECRETS = ["hunter2hunter2", "sid-value-123456", "tok-0123456789", "basic-password", "key-in-header-1"]


def test_nothing_secret_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    basic = base64.b64encode(b"alice:basic-password").decode()
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    read = record(
        path,
        exchange(
            "/login?api_key=key-in-header-1",
            body=b'{"user": {"name": "al", "Password": "hunter2hunter2"}}',
            answered=(("Set-Cookie", "sid=sid-value-123456; Path=/; HttpOnly"),),
            text=b'{"accessToken": "tok-0123456789"}',
        ),
        exchange("/a", (("Authorization", "Bearer tok-0123456789"), ("Cookie", "lang=en; sid=sid-value-123456"))),
        exchange("/b?x=tok-0123456789", (("Authorization", f"Basic {basic}"), ("X-Api-Key", "key-in-header-1"))),
        exchange("/c", form, b"password=hunter2hunter2&x=1", text=b"<p>tok-0123456789</p>"),
    )
    raw = path.read_text()
    for secret in [*SECRETS, basic]:
        assert secret not in raw
    # What flows from one exchange to the next still does.
    token = json.loads(read[0].response.body)["accessToken"]
    assert header(read[1].request.headers, "authorization") == f"Bearer {token}"
    assert read[2].request.target == f"/b?x={token}"
    assert token.encode() in read[3].response.body
    cookie = header(read[0].response.headers, "set-cookie") or ""
    assert cookie.endswith("; Path=/; HttpOnly")
    assert cookie.partition(";")[0] in (header(read[1].request.headers, "cookie") or "")
    password = json.loads(read[0].request.body)["user"]["Password"]
    assert read[3].request.body == f"password={password}&x=1".encode()
    # Basic credentials are still a user and a password.
    scheme, _, credentials = (header(read[2].request.headers, "authorization") or "").partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(credentials).count(b":") == 1


@pytest.mark.parametrize("shape", ["{}", '{{"next": "{}"}}', '<a href="{}">more</a>', '<{}>; rel="next"'])
@pytest.mark.parametrize("where", ["header", "body"])
def test_an_address_in_an_answer_is_redacted_like_the_request_that_follows_it(
    shape: str, where: str, tmp_path: Path
) -> None:
    path, address = tmp_path / "x.har", "http://h/items?limit=2&_token=eyJ%2FIjogMX0%3D"
    text = shape.format(address)
    kind = "application/json" if text.startswith("{") else "text/html"
    answered = (("Next-Page", text),) if where == "header" else (("Content-Type", kind),)
    first, second = record(
        path,
        exchange(answered=answered, text=text.encode() if where == "body" else b""),
        exchange(address.removeprefix("http://h")),
    )
    assert "eyJ" not in path.read_text()
    followed = "http://h" + second.request.target
    told = header(first.response.headers, "next-page") if where == "header" else first.response.body.decode()
    assert told is not None and json.dumps(followed)[1:-1] in told
    assert followed.startswith("http://h/items?limit=2&_token=redacted-")


def test_declared_names_are_redacted_and_others_are_not(tmp_path: Path) -> None:
    redaction = Redaction().also(headers=("X-Tenant",), fields=("iban", "pin"))
    body = b'{"account": {"IBAN": "DE89370400440532013000", "pin": 4711, "ok": true}, "amount": 12}'
    (read,) = record(
        tmp_path / "x.har", exchange("/", (("x-tenant", "acme"), ("X-Plain", "acme2")), body), redact=redaction
    )
    value = json.loads(read.request.body)
    assert value["account"]["IBAN"].startswith("redacted-")
    assert isinstance(value["account"]["pin"], int)
    assert value["account"]["ok"] is True
    assert value["amount"] == 12
    assert header(read.request.headers, "x-tenant") not in ("acme", None)
    assert header(read.request.headers, "x-plain") == "acme2"


def test_placeholders_differ_between_files_and_between_secrets(tmp_path: Path) -> None:
    bodies = [
        [
            json.loads(read.request.body)["password"]
            for read in record(tmp_path / name, *map(exchange_with, ["one-secret", "two-secret"]))
        ]
        for name in ("a.har", "b.har")
    ]
    assert len({text for body in bodies for text in body}) == 4


def exchange_with(password: str) -> Exchange:
    return exchange(body=json.dumps({"password": password}).encode())


def test_without_secrets_bodies_stay_byte_for_byte(tmp_path: Path) -> None:
    body = b'{ "b" : 1.50 ,\n"a": [ ] }'
    (read,) = record(tmp_path / "x.har", exchange(body=body, text=body))
    assert (read.request.body, read.response.body) == (body, body)


def test_compressed_answers_are_written_decoded_and_redacted(tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    coded = (("Content-Encoding", "gzip"), ("Content-Type", "application/json"))
    (read,) = record(path, exchange(answered=coded, text=gzip.compress(b'{"token": "tok-0123456789"}')))
    assert "tok-0123456789" not in path.read_text()
    assert json.loads(read.response.body)["token"].startswith("redacted-")
    assert header(read.response.headers, "content-encoding") is None


def test_a_coding_that_cannot_be_undone(tmp_path: Path) -> None:
    opaque = exchange(answered=(("Content-Encoding", "br"),), text=b"\x8b\x01opaque")
    # It may hold a secret, so it is not written...
    assert record(tmp_path / "x.har", opaque)[0].response.body == b""
    # ... unless nothing is secret.
    (read,) = record(tmp_path / "y.har", opaque, redact=None)
    assert read.response == opaque.response


def test_a_recording_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), HarWriter(tmp_path / "x.har") as writer:
        writer.add(exchange(), "a")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    writer = HarWriter(path)
    writer.add(exchange(), "a")
    assert not path.exists()
    writer.close()
    writer.close()
    assert [item.name for item in tmp_path.iterdir()] == ["x.har"]


def test_what_was_sent_compressed_is_redacted_too(tmp_path: Path) -> None:
    body = gzip.compress(b'{"password": "hunter2hunter2", "n": 1}')
    headers = (("Content-Encoding", "gzip"), ("Content-Type", "application/json"))
    (read,) = record(tmp_path / "x.har", exchange("/a", headers, body))
    assert json.loads(read.request.body)["password"].startswith("redacted-")
    assert header(read.request.headers, "content-encoding") is None
    (read,) = record(tmp_path / "y.har", exchange("/a", (("Content-Encoding", "br"),), body))
    assert read.request.body == b""
    (read,) = record(tmp_path / "z.har", exchange("/a", headers, body), redact=None)
    assert read.request.body == body
