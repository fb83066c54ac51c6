"""What must hold for whatever a recording reads, redacts or decodes: functions of bytes that raise AssertionError.

Each takes a `Source`, from which it builds its case; equal bytes build equal cases. The fuzzer of the recordings
(`recording_reader.py`) looks for the bytes; `test_recording_oracles.py` holds the oracles against chance.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, quote_plus, unquote

import yaml

from verifier.http.coding import SUPPORTED, decode_response, limit_accept_encoding, try_decode
from verifier.http.message import Headers, Request, Response, header
from verifier.recording.har import HarWriter, read_har
from verifier.recording.model import Exchange, Recording
from verifier.recording.placeholders import as_yaml, placeholders
from verifier.recording.redact import Redaction, Redactor
from verifier.recording.secret_map import PLACEHOLDER
from verifier.replay.credentials import Credentials

T = TypeVar("T")
LATEST = 250_000_000_000.0  # seconds since the epoch: a writer's clock is in no year after 9892
ASCII = "".join(map(chr, range(0x21, 0x7F)))
WIDE = ASCII + " \u00e9\u00ff\u20ac\u65e5\U0001f600\u2028"
FIELDS = ("password", "accessToken", "api_key", "Client-Secret")
NAMES = (*FIELDS, "user[password]", "a", "a_2", "user", "n", "~/", "\u00e9", "a b", "#x")


class Source:
    """Decisions out of bytes; when they run out, every decision is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.byte() % len(choices)]

    def bytes(self, most: int) -> bytes:
        size = min(self.byte() | (self.byte() << 8 if most > 255 else 0), most)
        self._at += size
        return self._data[self._at - size : self._at]

    def text(self, letters: str, most: int, least: int = 0) -> str:
        return "".join(self.pick(letters) for _ in range(least + self.byte() % (most - least + 1)))


# ---- read, written, read again


def rewritten(recording: Recording, path: Path) -> None:
    """What was read can be written and is read as it was; redacted, it is at least read, and no less of it."""
    if recording.began > LATEST:
        return
    entries = [(exchange, session.id) for session in recording.sessions for exchange in session.exchanges]
    entries.sort(key=lambda entry: (entry[0].at, entry[0].line))
    told = None
    for redaction in (None, Redaction()):
        with HarWriter(path, redaction, recording.began) as writer:
            for exchange, session in entries:
                writer.add(exchange, session)
        again = read_har(path)
        found = {exchange.line: exchange for session in again.sessions for exchange in session.exchanges}
        assert len(found) == len(entries)
        for line, (before, _) in enumerate(entries, 1):
            after = found[line]
            assert (before.request.method, before.response.status) == (after.request.method, after.response.status)
            assert redaction is not None or as_sent(before) == as_sent(after)
        if redaction is not None:
            assert placeholders(again) == writer.credentials
            told = writer.credentials
    if told:
        source_lines(path.name, told)


def as_sent(exchange: Exchange) -> tuple[object, ...]:
    """What an exchange is, but for what a HAR leaves out: an empty query, and an answer's coding that can be undone."""
    request, answer = exchange.request, decode_response(exchange.response)
    host = exchange.host
    return (request.target.removesuffix("?"), request.headers, request.body, host, answer.headers, answer.body)


def source_lines(name: str, found: Sequence[Any]) -> None:
    """What the recorder proposes for the matrix is YAML with a variable of its own for each placeholder."""
    (entry,) = yaml.safe_load(as_yaml(name, found))["traffic"]
    assert entry["recording"] == name
    assert list(entry["credentials"]) == [standing.placeholder for standing in found]
    variables = [source["env"] for source in entry["credentials"].values()]
    assert all(re.fullmatch("VERIFIER_[A-Z0-9_]+", variable) for variable in variables)
    assert len(set(variables)) == len(variables)


# ---- secrets


@dataclass(frozen=True, slots=True)
class Planted:
    """A request with a secret in one place, and how to read it from there."""

    request: Request
    read: Callable[[Request], str]


FORM = ("Content-Type", "application/x-www-form-urlencoded")
PARTS = ("Content-Type", 'multipart/form-data; boundary="b0und"')


def planted(source: Source, secret: str) -> Planted:
    places = [_in_json, _in_form, _in_query, _in_parts]
    if secret.isascii() and " " not in secret:
        places += [_in_token, _in_key]
        places += [_in_cookie] if ";" not in secret else []
    places += [_in_basic] if ":" not in secret else []
    return source.pick(places)(source, secret)


def _in_token(source: Source, secret: str) -> Planted:
    scheme = source.pick(("Bearer", "Token", "bearer"))
    sent = Request("GET", "/", (("Authorization", f"{scheme} {secret}"),))
    return Planted(sent, lambda request: request.headers[0][1].removeprefix(f"{scheme} "))


def _in_key(source: Source, secret: str) -> Planted:
    name = source.pick(("X-Api-Key", "x-auth-token", "X_CSRF_Token"))
    return Planted(Request("GET", "/", ((name, secret),)), lambda request: request.headers[0][1])


def _in_cookie(source: Source, secret: str) -> Planted:
    sent = Request("GET", "/", (("Cookie", f"lang=en; sid={secret}; x"),))
    return Planted(sent, lambda request: request.headers[0][1].split("; ")[1].removeprefix("sid="))


def _in_basic(source: Source, secret: str) -> Planted:
    coded = base64.b64encode(f"{secret}:{source.text(WIDE, 6)}".encode()).decode()
    return Planted(
        Request("GET", "/", (("Authorization", f"Basic {coded}"),)),
        lambda request: base64.b64decode(request.headers[0][1].removeprefix("Basic ")).decode().partition(":")[0],
    )


def _in_query(source: Source, secret: str) -> Planted:
    name, write = source.pick((*FIELDS, "user[password]", "user%5Bpassword%5D")), source.pick((quote, quote_plus))
    sent = Request("GET", f"/{quote(source.text(WIDE, 4))}?{name}={write(secret, safe='')}&x=1")
    return Planted(sent, lambda request: parse_qsl(request.target.partition("?")[2])[0][1])


def _in_form(source: Source, secret: str) -> Planted:
    name = source.pick((*FIELDS, "user[password]", "user%5Bpassword%5D"))
    sent = Request("POST", "/", (FORM,), f"x=1&{name}={quote_plus(secret)}".encode())
    return Planted(sent, lambda request: parse_qsl(request.body.decode())[1][1])


def _in_parts(source: Source, secret: str) -> Planted:
    """As a field, or in a document that is a part: then no secret is written, but places are not compared."""
    head = f'--b0und\r\nContent-Disposition: form-data; name="{source.pick(FIELDS)}"\r\n\r\n'
    before = source.pick(("", '--b0und\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'))
    start, end = len(before) + len(head), len("\r\n--b0und--\r\n")
    if source.byte() % 2:
        inner = _in_json(source, secret).request
        head = f'--b0und\r\nContent-Disposition: form-data; name="d"\r\nContent-Type: {inner.headers[0][1]}\r\n\r\n'
        document = f"{before}{head}{inner.body.decode()}\r\n--b0und--\r\n"
        ends = source.pick(("\r\n", "\n"))
        sent = Request("POST", "/", (PARTS,), document.replace("\r\n", ends).encode())
        return Planted(sent, lambda _: "")
    sent = Request("POST", "/", (PARTS,), f"{before}{head}{secret}\r\n--b0und--\r\n".encode())
    return Planted(sent, lambda request: request.body.decode()[start:-end])


def _in_json(source: Source, secret: str) -> Planted:
    """Also where it is hardly JSON any more: then still no secret is written, but places are not compared."""
    field, other = source.pick(FIELDS), source.text(WIDE, 6)
    document = json.dumps({"n": [other, None, 1.5], "in": [{field: secret}]}, ensure_ascii=bool(source.byte() % 2))
    huge, deep = source.pick(("1e999", "NaN", "-1e999")), f"{'[' * 3000}{']' * 3000}"
    oddities = (
        document, f" \n{document}", f"\ufeff{document}", f"{document}\n{document}", document[:-1],
        f"[{document}, {deep}]",
        document.replace('"n":', f'"{field}": {huge}, "n":', 1), document.replace('"n":', f'"n": {huge}, "m":', 1),
        document.replace('"n":', f'"m": {"1" * 5000}, "n":', 1), document.replace("}]", f', "{field}": ""}}]', 1),
        f'{{"{field}": "{json.dumps(secret)[1:-1]}',
    )  # fmt: skip
    odd = source.byte() % len(oddities)
    text = oddities[odd]
    kind = ("Content-Type", source.pick(("application/json", "text/plain", "application/vnd.api+json", "")))
    sent = Request("POST", "/", (kind,), text.encode())
    if odd < 2:
        return Planted(sent, lambda request: str(json.loads(request.body)["in"][0][field]))
    return Planted(sent, lambda _: "")


def worn(secret: str) -> tuple[str, ...]:
    """How a writer promises to find a secret that it has seen."""
    forms = (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1],
             json.dumps(secret, ensure_ascii=False)[1:-1])  # fmt: skip
    return tuple(dict.fromkeys(forms))


def no_secret_survives(data: bytes, path: Path) -> None:
    """Secrets are told in some place, then stand anywhere: none reaches a file, and each can be put back."""
    source = Source(data)
    # No run of backslashes: masking tries every way to read one, and their number doubles with each.
    letters = [re.sub(r"\\+", r"\\", source.text(WIDE, 24, 6)) for _ in range(1 + source.byte() % 2)]
    secrets = [f"Zq{number}{text}aaaaaxY" for number, text in enumerate(letters)]
    redactor = Redactor(Redaction())
    credentials = Credentials({redactor.placeholder(secret): secret for secret in secrets})
    plants, exchanges = [], []
    for number in range(1 + source.byte() % 4):
        secret = source.pick(secrets)
        plants.append(planted(source, secret))
        exchanges.append(Exchange(plants[-1].request, answer(source, secret), "h:1", float(number), 0.0))
        put_back(plants[-1], redactor.exchange(exchanges[-1]).request, credentials, secret)
    with HarWriter(path) as writer:
        for exchange in exchanges:
            writer.add(exchange, "a")
    again = read_har(path)
    assert placeholders(again) == writer.credentials
    written = again.sessions[0].exchanges
    known_before(written, {standing.placeholder for standing in writer.credentials})
    if writer.credentials:
        source_lines(source.text(WIDE, 8, 1) + ".har", writer.credentials)
    for text in (text for exchange in written for text in texts(exchange)):
        untold(secrets, text)


def untold(secrets: Sequence[str], text: str) -> None:
    for secret in secrets:
        assert not any(form in text for form in worn(secret)), (secret, text)


def known_before(written: Sequence[Exchange], credentials: set[str]) -> None:
    """By brute force: a client knew what it sent before any answer held it."""
    sent: set[str] = set()
    issued: set[str] = set()
    for exchange in written:
        sent |= {name for text in asked(exchange.request) for name in PLACEHOLDER.findall(text)} - issued
        issued |= {name for text in answered(exchange.response) for name in PLACEHOLDER.findall(text)} - sent
    assert credentials == sent


def put_back(plant: Planted, clean: Request, credentials: Credentials, secret: str) -> None:
    place = plant.read(clean)
    assert not place or PLACEHOLDER.fullmatch(place), place
    sent = credentials.insert(clean)
    if place:
        assert plant.read(sent) == secret
    for text in asked(sent):
        untold([secret], credentials.mask_text(text))
    for _, value in sent.headers:
        untold([secret], opened(credentials.mask_text(value)))


def answer(source: Source, secret: str) -> Response:
    """An answer that issues a secret, tells it, links to it, or has nothing to do with it; coded or not."""
    link = f"http://h/next?page=2&access_token={quote_plus(secret)}"
    body, headers = source.pick((
        (b"", ()),
        (json.dumps({"token": secret}).encode(), (("Content-Type", "application/json"),)),
        (json.dumps({"next": link}).encode(), (("Content-Type", "application/json"),)),
        (f"<a href='{link}'>".encode(), (("Content-Type", "text/html; charset=utf-8"),)),
        (b"", (("Location", link),)),
        (f"it is {secret}, it is".encode(), ()),
        (b"\xff\0" + secret.encode(), ()),
        (source.bytes(40), (("Content-Type", source.pick(("text/plain; charset=utf-16", "", "application/json"))),)),
    ))  # fmt: skip
    codings = source.pick(("", "gzip", "deflate", "gzip, deflate"))
    if not codings:
        return Response(200, headers, body)
    return Response(200, (*headers, ("Content-Encoding", codings)), encoded(source, body, codings))


def texts(exchange: Exchange) -> list[str]:
    return [*asked(exchange.request), *answered(exchange.response)]


def asked(request: Request) -> list[str]:
    return [request.target, unquote(request.target), *message(request.headers, request.body)]


def answered(response: Response) -> list[str]:
    return message(response.headers, response.body)


def message(headers: Headers, body: bytes) -> list[str]:
    values = [value for _, value in headers]
    readings = [value.encode("latin-1").decode("utf-8", "replace") for value in values]
    plain = try_decode(body, header(headers, "content-encoding") or "")
    return [*values, *readings, *map(opened, values), (body if plain is None else plain).decode("utf-8", "replace")]


def opened(value: str) -> str:
    return base64.b64decode(value[6:]).decode() if value.startswith("Basic ") else value


# ---- content codings


def encoded(source: Source, body: bytes, codings: str) -> bytes:
    for coding in codings.split(", "):
        if coding in ("gzip", "x-gzip"):
            cut = source.byte() % (len(body) + 1)  # several members count as one
            parts = [body] if source.byte() % 2 else [body[:cut], body[cut:]]
            body = b"".join(gzip.compress(part, mtime=0) for part in parts)
        elif coding == "deflate":
            machine = zlib.compressobj(source.byte() % 10, zlib.DEFLATED, source.pick((15, -15)))
            body = machine.compress(body) + machine.flush()
    return body


def codings_are_undone(data: bytes) -> None:
    """Decoding is the inverse of coding, within its bound; and never fails otherwise than by None."""
    source = Source(data)
    codings = source.pick(("gzip", "deflate", "x-gzip, deflate", "identity, deflate, gzip", "identity"))
    largest = source.byte()
    body = source.bytes(2000)
    for wrong in (try_decode(body, codings, largest), try_decode(body, body[:20].decode("latin-1"), largest)):
        assert wrong is None or len(wrong) <= largest or wrong == body
    coded = encoded(source, body, codings)
    assert try_decode(coded, codings) == body
    assert try_decode(coded, codings.upper(), 2 * len(body) + 1000) == body
    if codings in ("gzip", "deflate"):
        assert try_decode(coded, codings, len(body)) == body
        assert not body or try_decode(coded, codings, len(body) - 1) is None
    response = Response(200, (("content-encoding", codings), ("X", "y"), ("Content-Length", "1")), coded)
    assert decode_response(response) == (Response(200, (("X", "y"),), body) if coded else response)
    cut = Response(200, response.headers, coded[:-1])
    assert decode_response(cut) in (cut, Response(200, (("X", "y"),), try_decode(coded[:-1], codings) or b""))


def only_the_readable_is_asked_for(data: bytes) -> None:
    """Of what a request accepts stays what can be undone here, as it was written; nothing else changes."""
    source = Source(data)
    words = ("gzip", "br", "GZIP;q=0.5", "zstd", "deflate", "*", "identity;q=0", "", "x-gzip ; q=1", "br;q=1")
    asked = ",".join(source.pick(("", " ")) + source.pick(words) for _ in range(source.byte() % 6))
    name = source.pick(("Accept-Encoding", "accept-encoding", "X"))
    headers: Headers = (("A", "b"), (name, asked), ("C", source.text(WIDE, 5)))
    found = limit_accept_encoding(headers)
    assert limit_accept_encoding(found) == found
    assert [pair for pair in found if pair[0].lower() != "accept-encoding"] == [
        pair for pair in headers if pair[0].lower() != "accept-encoding"
    ]
    if name == "X":
        assert found == headers
        return
    kept = [word.strip() for word in (header(found, "accept-encoding") or "").split(",")]
    assert all(word.partition(";")[0].strip().lower() in SUPPORTED for word in kept)
    wanted = [word.strip() for word in asked.split(",")]
    assert kept == [word for word in wanted if word in kept] or kept == ["identity"]
    for word in wanted:
        assert (word.partition(";")[0].strip().lower() in SUPPORTED) == (word in kept) or kept == ["identity"]
