"""Which redacted secrets a replay cannot get anew, where they stood, and what the matrix should say about them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.recording.test_har_writer import exchange
from verifier.http.message import Request, Response
from verifier.recording.har import HarWriter
from verifier.recording.load import load
from verifier.recording.model import Exchange
from verifier.recording.placeholders import ClientPlaceholder, as_yaml, issued, placeholders, sent, standing

JSON = (("Content-Type", "application/json"),)


def written(path: Path, *exchanges: Exchange) -> tuple[ClientPlaceholder, ...]:
    with HarWriter(path) as writer:
        for entry in exchanges:
            writer.add(entry, "a")
    assert placeholders(load(path)) == writer.credentials
    return writer.credentials


def test_what_the_client_knew_is_told_with_its_places_and_what_was_issued_is_not(tmp_path: Path) -> None:
    found = written(
        tmp_path / "x.har",
        exchange("/login", JSON, b'{"user": {"password": "hunter2hunter2"}}', text=b'{"token": "tok-0123456789"}'),
        exchange(
            "/a?api_key=key-in-query-1", (("Authorization", "Bearer tok-0123456789"), ("Cookie", "sid=0123456789"))
        ),
        exchange("/b", (("X-Api-Key", "key-in-query-1"),), text=b'{"echo": "hunter2hunter2"}'),
        exchange("/c", (("Authorization", "Basic YW5uYTpodW50ZXIyaHVudGVyMg=="),)),
    )
    assert [(entry.places, entry.requests) for entry in found] == [
        (("$request.body#/user/password", "$request.header.Authorization (password)"), 2),
        (("$request.query.api_key", "$request.header.X-Api-Key"), 2),
        (("$request.cookie.sid",), 1),
        (("$request.header.Authorization (user)",), 1),
    ]
    token = json.loads(load(tmp_path / "x.har").sessions[0].exchanges[0].response.body)["token"]
    assert token not in {entry.placeholder for entry in found}
    assert sent(load(tmp_path / "x.har")) == {token, *(entry.placeholder for entry in found)}


@pytest.mark.parametrize("status", [200, 201, 303, 409])
def test_a_password_that_the_recording_set_at_a_sign_up_is_not_asked_for(tmp_path: Path, status: int) -> None:
    """A replay makes the account again. The twin: a sign-up that was refused set nothing."""
    given = b'{"nick": "anna", "password": "hunter2hunter2"}'
    signed_up = exchange("/api/signup", JSON, given)
    signed_up = replace(signed_up, response=Response(status, (), b"{}"))
    basic = base64.b64encode(b"anna:hunter2hunter2").decode()
    found = written(
        tmp_path / "x.har",
        signed_up,
        exchange("/login", JSON, given),
        exchange("/me", (("Authorization", f"Basic {basic}"),)),
    )
    last = load(tmp_path / "x.har").sessions[0].exchanges[-1].request
    user = base64.b64decode(dict(last.headers)["Authorization"].removeprefix("Basic ")).decode().partition(":")[0]
    if status < 400:
        assert (found, user) == ((), "anna")
    else:
        asked = [entry.places[0] for entry in found]
        assert asked == ["$request.body#/password", "$request.header.Authorization (user)"]


def test_the_lines_for_the_matrix_are_yaml_with_a_variable_for_each() -> None:
    found = [
        ClientPlaceholder("redacted-1", ("$request.body#/user/password",), 1),
        ClientPlaceholder("redacted-2", ("$request.header.Authorization (password)",), 3),
        ClientPlaceholder("redacted-3", ("$request.header.Authorization",), 1),
        ClientPlaceholder("redacted-4", ("$request.header.X-Api-Key\n", "$request.path"), 1),
    ]
    text = as_yaml('my "shop".har', found)
    assert yaml.safe_load(text) == {
        "traffic": [
            {
                "recording": 'my "shop".har',
                "credentials": {
                    "redacted-1": {"env": "VERIFIER_PASSWORD"},
                    "redacted-2": {"env": "VERIFIER_PASSWORD_2"},
                    "redacted-3": {"env": "VERIFIER_TOKEN"},
                    "redacted-4": {"env": "VERIFIER_X_API_KEY"},
                },
            }
        ]
    }
    assert "# $request.header.Authorization (password); in 3 requests" in text


def test_a_recording_without_secrets_asks_for_nothing(tmp_path: Path) -> None:
    assert written(tmp_path / "x.har", exchange("/a", JSON, b'{"name": "redactedly"}')) == ()


def test_a_secret_is_found_in_escapes_and_in_basic_credentials_too(tmp_path: Path) -> None:
    told = json.dumps({"said": 'hun"ter/2 hunter2', "basic": "YW5uYTpodW4idGVyLzIgaHVudGVyMg=="})
    basic = (("Authorization", "Basic YW5uYTpodW4idGVyLzIgaHVudGVyMg=="),)
    written(tmp_path / "x.har", exchange("/a", basic, text=told.encode()))
    (entry,) = load(tmp_path / "x.har").sessions[0].exchanges
    answered = json.loads(entry.response.body)
    assert answered["said"].startswith("redacted-")
    assert f"Basic {answered['basic']}" == entry.request.headers[0][1] != basic[0][1]


WEIRD = st.text(st.characters(max_codepoint=0xFF), max_size=12).map(lambda text: f"{text}redacted-ab{text}")
HEADERS = st.lists(st.tuples(st.sampled_from(["Cookie", "Authorization", "X"]), WEIRD | WEIRD.map("Basic {}".format)))


@given(target=WEIRD, headers=HEADERS, body=st.binary(max_size=20), form=st.booleans(), depth=st.integers(0, 3000))
def test_no_message_is_too_odd(
    target: str, headers: list[tuple[str, str]], body: bytes, form: bool, depth: int
) -> None:
    kind = ("Content-Type", "application/x-www-form-urlencoded" if form else "application/json")
    for content in (body + b"redacted-cd", b"[" * depth + b'"redacted-cd"' + b"]" * depth):
        found = dict(standing(Request("POST", f"/{target}", (kind, *headers), content)))
        assert any(name.startswith("redacted-") for name in found)
        assert issued(Response(200, tuple(headers), content))
