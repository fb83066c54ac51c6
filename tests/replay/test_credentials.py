"""Secrets go out in requests as each place asks for, and come back masked whatever they wear."""

from __future__ import annotations

import base64
import gzip
import html
import json
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_plus, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from verifier.errors import BadInput
from verifier.history.model import FaultInjected, Note, Operation, ReplicaEvent, Step
from verifier.http.message import Request, Response, header
from verifier.matrix.traffic_rules import Credential
from verifier.replay.credentials import Credentials, rejection_message, resolve

USER, PASS = "redacted-0123456789abcdef01234567", "redacted-anna-password"
SECRET = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc"]), min_size=4,
                 max_size=20).filter(lambda text: "redacted" not in text and text.strip() == text)  # fmt: skip
AROUND = st.binary(max_size=12)


def basic(user: str, password: str) -> tuple[str, str]:
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


@given(user=SECRET, password=SECRET)
@settings(max_examples=150, deadline=None)
def test_each_place_gets_the_secret_in_its_own_writing(user: str, password: str) -> None:
    sent = Credentials({USER: user, PASS: password}).insert(
        Request(
            "POST",
            f"/users/{USER}?password={PASS}&x=1",
            (basic(USER, PASS), ("X-Api-Key", PASS), ("Content-Type", "application/json")),
            json.dumps({"user": USER, "deep": [{"password": PASS}], "n": 1}).encode(),
        )
    )
    parts = urlsplit(sent.target)
    assert unquote(parts.path) == f"/users/{user}"
    assert parse_qs(parts.query) == {"password": [password], "x": ["1"]}
    coded = (header(sent.headers, "authorization") or "").partition(" ")[2]
    assert base64.b64decode(coded, validate=True).decode() == f"{user}:{password}"
    assert (header(sent.headers, "x-api-key") or "").encode("latin-1").decode() == password
    assert json.loads(sent.body) == {"user": user, "deep": [{"password": password}], "n": 1}


@given(password=SECRET)
@settings(max_examples=50, deadline=None)
def test_a_form_stays_a_form(password: str) -> None:
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    sent = Credentials({PASS: password}).insert(Request("POST", "/login", form, f"user=anna&password={PASS}".encode()))
    assert parse_qs(sent.body.decode()) == {"user": ["anna"], "password": [password]}


def test_what_is_no_placeholder_is_sent_as_it_is() -> None:
    request = Request(
        "POST", f"/a?b={PASS}2", (basic("anna", "x"), ("A", f"{USER[:-1]}")), b"\xff\x00 redacted-anna-passwords"
    )
    assert Credentials({USER: "anna-real", PASS: "hunter22"}).insert(request) == request


def test_no_coding_is_asked_for_that_nobody_could_look_into() -> None:
    credentials = Credentials({PASS: "hunter22"})
    for asked, allowed in (("gzip, br;q=1, zstd", "gzip"), ("br", "identity"), ("gzip, deflate", "gzip, deflate")):
        sent = credentials.insert(Request("GET", "/", (("Accept-Encoding", asked),)))
        assert header(sent.headers, "accept-encoding") == allowed


def clothed(secret: str, before: bytes, after: bytes) -> list[str]:
    data = before + secret.encode() + after
    percent = quote(secret, safe="")
    return [
        secret, percent, percent.lower() if secret.isascii() and secret.islower() else percent, quote(secret),
        quote_plus(secret), quote(percent, safe=""), json.dumps(secret), json.dumps(secret, ensure_ascii=False),
        json.dumps(secret).replace("/", "\\/"), html.escape(secret), secret.encode().decode("latin-1"),
        base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode(),
        base64.b64encode(data).decode().rstrip("="), json.dumps(json.dumps(secret)),
        json.dumps(json.dumps(secret, ensure_ascii=False)), quote(quote(percent, safe=""), safe=""),
        quote_plus(quote_plus(secret)), html.escape(html.escape(secret)), json.dumps(percent),
        quote(json.dumps(secret)), quote(json.dumps(json.dumps(secret))), html.escape(json.dumps(secret)),
    ]  # fmt: skip


@given(secret=SECRET, before=AROUND, after=AROUND)
@settings(max_examples=200, deadline=None)
def test_a_secret_is_masked_in_any_clothing(secret: str, before: bytes, after: bytes) -> None:
    credentials = Credentials({PASS: secret})
    for worn in clothed(secret, before, after):
        for text in (worn, f'{{"said": "{worn}"}}', f"<{worn}>"):
            masked = credentials.mask_text(text)
            assert worn not in masked
            assert secret not in masked.replace(PASS, "")
        assert PASS in masked or base64.b64encode(PASS.encode())[4:20].decode() not in text


@given(secret=st.text("abcdefgh0123456789", min_size=6, max_size=20), before=AROUND, after=AROUND)
@settings(max_examples=200, deadline=None)
def test_masked_base64_is_still_base64_of_what_surrounds_the_secret(secret: str, before: bytes, after: bytes) -> None:
    coded = base64.b64encode(before + secret.encode() + after).decode()
    masked = Credentials({PASS: secret}).mask_text(f"x: {coded}, y")
    expected = (before + secret.encode() + after).replace(secret.encode(), PASS.encode())
    assert masked == f"x: {base64.b64encode(expected).decode()}, y"


@given(secret=st.text("abcdefgh0123456789", min_size=6, max_size=20), around=AROUND, more=st.text("xyz", max_size=5))
@settings(max_examples=100, deadline=None)
def test_base64_in_base64_is_masked(secret: str, around: bytes, more: str) -> None:
    plain = around + secret.encode() + around
    inner = base64.b64encode(plain).decode()
    outer = base64.b64encode(f'{more}"{inner}"'.encode()).decode()
    masked = Credentials({PASS: secret}).mask_text(f"<{outer}>")
    told = base64.b64decode(masked[1:-1]).decode()[len(more) + 1 : -1]
    assert base64.b64decode(told) == plain.replace(secret.encode(), PASS.encode())


@pytest.mark.parametrize("before", ["", "/a-b/c/", "x=", "eyJh.", "https://h/p_q+r/"])
def test_what_stands_beside_base64_stays(before: str) -> None:
    coded = base64.b64encode(b"so: hunter22, said anna").decode().rstrip("=")
    masked = Credentials({PASS: "hunter22"}).mask_text(f"{before}{coded}.end")
    told = masked.removeprefix(before).removesuffix(".end")
    assert base64.b64decode(told + "=" * (-len(told) % 4)) == f"so: {PASS}, said anna".encode()


@given(text=st.text(max_size=60), data=st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_what_holds_no_secret_is_left_alone(text: str, data: bytes) -> None:
    credentials = Credentials({PASS: "correct-horse-battery-9"})
    assert credentials.mask_text(text) == text
    assert credentials.mask_bytes(data) is data


OPERATION = Operation(
    "rollout.1/r1/1.1", "rollout.1", "r1", "s1", 0, 1, "replay", "GET /orders", "orders", "1", "orders-1-1",
    Request("GET", "/"), None, "ok", 0.0, 1.0,
)  # fmt: skip


def test_every_record_is_masked_and_keeps_its_place_in_the_plan() -> None:
    credentials = Credentials({USER: "orders", PASS: "hunter22"})
    secret = "hunter22 of orders"
    operation = structs.replace(
        OPERATION,
        name="GET /x/hunter22",
        request=Request("GET", "/hunter22", (("X", "hunter22"),), b"hunter22"),
        response=Response(200, (("Y", "hunter22"), ("Content-Encoding", "gzip")), gzip.compress(b"a hunter22")),
        produced=(("$response.body#/id", "hunter22"),),
    )
    masked = credentials.mask(operation)
    assert isinstance(masked, Operation) and masked.response is not None
    assert (masked.id, masked.service, masked.replica) == (operation.id, "orders", "orders-1-1")
    assert masked.response == Response(200, (("Y", PASS),), f"a {PASS}".encode())
    assert masked.request == Request("GET", f"/{PASS}", (("X", PASS),), PASS.encode())
    assert (masked.produced, masked.name) == ((("$response.body#/id", PASS),), f"GET /x/{PASS}")
    for record in (
        Note("s", "unmatched", secret),
        ReplicaEvent("s", "r", "orders", "1", "never-ready", 0.0, secret),
        Step("s", "p", "forward", "start", "", (), (), 0.0, 1.0, secret),
        FaultInjected("s", "r", "reset", "o", f"GET /{secret}", "1", "2", 0.0),
    ):
        assert "hunter22" not in str(credentials.mask(record))
        assert PASS in str(credentials.mask(record))


def test_a_body_that_nobody_can_read_is_not_kept_and_one_without_a_secret_is() -> None:
    credentials = Credentials({PASS: "hunter22"})
    for coding, body, kept in (("br", b"??", b""), ("gzip", gzip.compress(b"nothing"), gzip.compress(b"nothing"))):
        answer = Response(200, (("Content-Encoding", coding),), body)
        masked = credentials.mask(structs.replace(OPERATION, response=answer))
        assert isinstance(masked, Operation)
        assert masked.response == structs.replace(answer, body=kept)


def test_of_a_body_that_was_not_kept_whole_the_beginning_is_masked() -> None:
    answer = Response(200, (("Content-Encoding", "x-unfinished"),), b"data: hunter22\n\ndata: mo")
    masked = Credentials({PASS: "hunter22"}).mask(structs.replace(OPERATION, response=answer))
    assert isinstance(masked, Operation)
    assert masked.response == structs.replace(answer, body=f"data: {PASS}\n\ndata: mo".encode())


def test_logs_are_masked_where_they_hold_a_secret(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.log").write_bytes(b"one\nwith hunter22\n\xff\n")
    (tmp_path / "b.log").write_bytes(b"nothing\n")
    before = (tmp_path / "b.log").stat()
    Credentials({PASS: "hunter22"}).mask_files(tmp_path)
    assert (tmp_path / "inner" / "a.log").read_bytes() == f"one\nwith {PASS}\n".encode() + b"\xff\n"
    assert (tmp_path / "b.log").stat().st_ino == before.st_ino
    assert len(list(tmp_path.rglob("*.log*"))) == 2


@pytest.mark.parametrize("size", [2, 3, 30])
def test_backslashes_in_a_row_are_masked_and_do_not_multiply(size: int) -> None:
    secret = "hunter" + "\\" * size + "22"
    credentials = Credentials({PASS: secret})
    for text in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), secret.replace("\\", "\\u005C")):
        assert credentials.mask_text(f"<{text}>") == f"<{PASS}>"
    other = "hunter" + "\\" * (size + size // 2) + "33"  # would not end
    assert credentials.mask_text(other) == other


def test_its_representation_tells_no_secret() -> None:
    assert repr(Credentials({PASS: "hunter22"})) == f"Credentials({PASS})"


def declared(kind: str, name: str, placeholder: str = PASS) -> Credential:
    return Credential(placeholder, "env" if kind == "env" else "file", name, 7, f"traffic[0].credentials.{placeholder}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "is not set"),
        ("", "is empty"),
        ("abc", "fewer than 4 characters"),
        ("line\nline", "control character"),
        ("a\udcffbcd", "what is no text"),
    ],
)
def test_a_variable_that_is_no_secret_is_bad_input(value: str | None, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        resolve([declared("env", "WORD")], Path("m.yaml"), {} if value is None else {"WORD": value})
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.key) == ("m.yaml", 7, f"traffic[0].credentials.{PASS}")
    assert message in problem.message
    assert not value or value not in problem.message


def test_files_lose_their_last_line_s_end_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" hunter22 \r\n")
    found = resolve([declared("file", str(file))], Path("m.yaml"), {})
    assert found is not None
    assert found.insert(Request("GET", "/", (("A", PASS),))).headers == (("A", " hunter22 "),)
    assert resolve([], Path("m.yaml"), {}) is None
    for content in (b"\xff\xfe\xfd\xfc", b"x" * 70000, b"\n"):
        file.write_bytes(content)
        with pytest.raises(BadInput):
            resolve([declared("file", str(file))], Path("m.yaml"), {})


def test_one_placeholder_has_one_source() -> None:
    same = [declared("env", "A"), declared("env", "A")]
    assert resolve(same, Path("m.yaml"), {"A": "hunter22", "B": "hunter23"}) is not None
    with pytest.raises(BadInput, match="another source"):
        resolve([*same, declared("env", "B")], Path("m.yaml"), {"A": "hunter22", "B": "hunter23"})


def test_a_request_that_is_turned_away_with_a_placeholder_in_it_is_told_and_no_other() -> None:
    away = structs.replace(OPERATION, request=Request("GET", "/", (basic(USER, PASS),)), response=Response(401))
    told = rejection_message(away, None)
    assert "$request.header.Authorization (user) is redacted-0123456789abcdef01234567" in told
    assert f"credentials: {{{USER}: {{env: NAME}}}}" in told
    assert PASS in told
    assert USER not in rejection_message(away, Credentials({USER: "anna-real"}))
    assert rejection_message(away, Credentials({USER: "anna-real", PASS: "hunter22"})) == ""
    assert rejection_message(structs.replace(away, response=Response(200)), None) == ""
    assert rejection_message(structs.replace(away, response=None), None) == ""
    assert rejection_message(structs.replace(away, request=Request("GET", "/")), None) == ""
