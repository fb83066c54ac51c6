"""What fuzzing and reading have found in recordings, each by example: what leaked, failed or came back otherwise."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
import yaml

from tests.recording.test_har_writer import exchange, record
from verifier.http.coding import decode_response
from verifier.http.message import Request, Response
from verifier.recording.load import load
from verifier.recording.model import Exchange
from verifier.recording.placeholders import ClientPlaceholder, as_yaml, standing
from verifier.recording.redact import Redaction

JSON = (("Content-Type", "application/json"),)
FORM = "application/x-www-form-urlencoded"
PARTS = 'multipart/form-data; boundary="b-1"'
MEMBER = b'{"password": "hunter2hunter2"}'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"\xef\xbb\xbf" + MEMBER),
        ("application/json", MEMBER.decode().encode("utf-16")),
        ("application/json", MEMBER.decode().encode("utf-16-be")),
        ("application/x-ndjson", MEMBER + b"\n" + MEMBER),
        ("application/json", MEMBER[:-4]),
        ("application/json", b'{"password": "hunter2hunter2", "password": ""}'),
        ("application/json", b'{"password": "hunter2hunter2", "n": NaN, "n": 1}'),
        ("application/json", b'{"n": ' + b"1" * 5000 + b", " + MEMBER[1:]),
        ("application/json", b"[" * 5000 + MEMBER + b"]" * 5000),
        ("application/json", b'{"password": "\\ud800 hunter2hunter2"}'),
        ("application/json", b'{"token": 1e999, ' + MEMBER[1:]),
        ("application/json", b'{"password": {"is": "hunter2hunter2"'),
        ("application/json", b'{"user.password": "hunter2hunter2"}'),
        ("text/plain;charset=UTF-8", MEMBER),
        ("application/json", b'{"data": "{\\"password\\": \\"hunter2hunter2\\"}"}'),
        ("application/json", b'{"data": "{\\"in\\": \\"{\\\\\\"password\\\\\\": \\\\\\"hunter2hunter2\\\\\\"}\\"}"}'),
        (FORM, b"user[password]=hunter2hunter2"),
        (FORM, b"user%5Bpassword%5D=hunter2hunter2&a=1"),
        (PARTS, b'--b-1\r\nContent-Disposition: form-data; name="password"\r\n\r\nhunter2hunter2\r\n--b-1--\r\n'),
        (PARTS, b"--b-1\r\ncontent-disposition: form-data; name=password\r\nX: y\r\n\r\nhunter2hunter2"),
        (PARTS, b'--b-1\nContent-Disposition: form-data; name="password"\n\nhunter2hunter2\n--b-1--\n'),
        (PARTS, b'--b-1\r\nContent-Disposition: form-data;\r\n name="password"\r\n\r\nhunter2hunter2\r\n--b-1--\r\n'),
        (PARTS, b'--b-1\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + MEMBER + b"\r\n--b-1--\r\n"),
        (PARTS, b'--b-1\r\nContent-Disposition: form-data; name="a"\r\n\r\n/x?token=hunter2hunter2\r\n--b-1--\r\n'),
        ("multipart/related; boundary=b", b"--b\r\nContent-Type: application/json\r\n\r\n" + MEMBER + b"\r\n--b--\r\n"),
    ],
)
def test_a_secret_is_found_in_what_is_hardly_well_formed(kind: str, body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    record(path, exchange("/a", (("Content-Type", kind),), body), exchange("/b", text=b"said: hunter2hunter2"))
    told = [part for entry in load(path).sessions[0].exchanges for part in (entry.request.body, entry.response.body)]
    assert b"hunter2" not in told[0].replace(b"\0", b"")
    # Once seen, it is known; a body that cannot be read is not written, and what it held is not known.
    assert (b"hunter2" in told[3]) == (told[0] == b"" or b"d800" in body)


def test_a_multipart_form_keeps_all_but_its_secrets(tmp_path: Path) -> None:
    head = b'--b-1\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    file = b'--b-1\r\nContent-Disposition: form-data; name="f"; filename="password"\r\n\r\n\xff\0\r\n--b-1--\r\n'
    body = head % (b"user", b"anna") + head % (b"password", b"hunter2hunter2") + file
    (read,) = record(tmp_path / "x.har", exchange("/a", (("Content-Type", PARTS),), body))
    before, after = head % (b"user", b"anna") + (head % (b"password", b""))[:-2], b"\r\n" + file
    assert read.request.body.startswith(before + b"redacted-")
    assert read.request.body.endswith(after)
    assert len(read.request.body) == len(before + after) + len("redacted-") + 24


def test_several_documents_in_one_body_keep_all_but_their_secrets(tmp_path: Path) -> None:
    body = b'{"token": "tok-0123456789", "pin": 4711}\n{"a": "b\\"", "token": "", "next": "/x?token=tok-0123456789"}'
    (read,) = record(tmp_path / "x.har", exchange(body=body), redact=Redaction().also(fields=("pin",)))
    first, second = map(json.loads, read.request.body.split(b"\n"))
    assert first["token"].startswith("redacted-")
    assert isinstance(first["pin"], int)
    assert second == {"a": 'b"', "token": "", "next": f"/x?token={first['token']}"}


@pytest.mark.parametrize("piece", ['"', '\\"', '"a"', '"a":', '"a":"\\"', '"token":"', "\\", '"token":  '])
def test_hostile_text_that_is_hardly_json_ends(piece: str, tmp_path: Path) -> None:
    """In time that grows with the square of its size it would not, before the test is given up."""
    (read,) = record(tmp_path / "x.har", exchange(body=("{" + piece * 300_000).encode()))
    assert read.request.body.startswith(b"{" + piece.encode()[:2])


def test_addresses_in_a_text_that_begins_like_json_lose_their_secrets(tmp_path: Path) -> None:
    text = b"[see](http://h/?token=tok-0123456789)"
    (read,) = record(tmp_path / "x.har", exchange(answered=(("Content-Type", "text/markdown"),), text=text))
    assert read.response.body.startswith(b"[see](http://h/?token=redacted-")
    assert b"tok-" not in read.response.body


def test_a_number_beyond_all_numbers_is_redacted_like_one(tmp_path: Path) -> None:
    (read,) = record(tmp_path / "x.har", exchange(body=b'{"token": [1e999, -1e999, NaN, 1.5e3, true, null]}'))
    *numbers, yes, nothing = json.loads(read.request.body)["token"]
    assert all(isinstance(number, int) for number in numbers)
    assert numbers[3] < 10_000
    assert (yes, nothing) == (True, None)


@pytest.mark.parametrize("redact", [None, Redaction()])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain; charset=utf-16le", "ab".encode("utf-16le")),
        ("text/plain; charset=iso-8859-1", "\u00e9".encode()),
        ("text/plain; charset=iso-8859-1", "\u00e9".encode("latin-1")),
        ("text/plain; charset=utf-8", "\u00e9".encode()),
        ("text/plain; charset=nobody-knows", "\u00e9".encode()),
    ],
)
def test_bodies_in_any_charset_come_back_as_they_were(
    kind: str, body: bytes, redact: Redaction | None, tmp_path: Path
) -> None:
    headers = (("Content-Type", kind),)
    (read,) = record(tmp_path / "x.har", exchange("/a", headers, body, headers, body), redact=redact)
    assert (read.request.body, read.response.body) == (body, body)


def test_a_request_for_the_whole_server_is_read_again(tmp_path: Path) -> None:
    sent = Exchange(Request("OPTIONS", "*"), Response(204), "orders:8080", 0.0, 0.0)
    (read,) = record(tmp_path / "x.har", sent)
    assert (read.request, read.host) == (sent.request, sent.host)


def test_no_two_placeholders_share_a_variable() -> None:
    names = ("a", "a_2", "a", "A", "a_2")
    found = [ClientPlaceholder(f"redacted-{at}", (f"$request.query.{name}",), 1) for at, name in enumerate(names)]
    credentials = yaml.safe_load(as_yaml("x.har", found))["traffic"][0]["credentials"]
    assert len({source["env"] for source in credentials.values()}) == len(names)


@pytest.mark.parametrize(
    ("request_", "place"),
    [
        (Request("GET", "/?redacted-ab"), "$request.query"),
        (Request("POST", "/", (("Content-Type", "x-www-form-urlencoded"),), b"redacted-ab=1"), "$request.body"),
        (Request("POST", "/", JSON, b'{"in": {"redacted-ab": 1}}'), "$request.body#/in"),
        (Request("POST", "/", JSON, b'{"a": "redacted-ab", "a": 1}'), "$request.body"),
    ],
)
def test_a_placeholder_may_stand_for_a_name_or_where_names_are_repeated(request_: Request, place: str) -> None:
    assert ("redacted-ab", place) in list(standing(request_))


@pytest.mark.parametrize("text", ["\ufeff{}", "\u20ac", "\u65e5\u672c"])
def test_bare_deflate_data_may_begin_like_json(text: str) -> None:
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = machine.compress(text.encode()) + machine.flush()
    assert body[:1] == b"{"
    assert decode_response(Response(200, (("Content-Encoding", "deflate"),), body)) == Response(200, (), text.encode())
