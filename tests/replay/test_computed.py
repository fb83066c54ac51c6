"""Values that a client computes from others: a rule computes them anew; without one, a refusal says what is missing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, replay, replay_harness, run_bounded, step
from verifier.errors import BadInput
from verifier.history.model import Note
from verifier.http.message import Headers, Request, Response, header
from verifier.matrix.parse import parse
from verifier.matrix.traffic_rules import ComputedRule, ExchangePattern
from verifier.rehearsal.prepare import prepare
from verifier.replay.computed import Computed, swapped
from verifier.replay.credentials import Credentials

SECRET = "a-shared-secret-of-two"
KEYS = Credentials({"redacted-key": SECRET, "redacted-card": "4111-1111-1111"})
BODY = b'{"id": "k-1", "sum": 7}'


def rule(kind: str, name: str, function: str, over: str = "{body}", key: str = "", only: str = "") -> ComputedRule:
    patterns = (ExchangePattern(*only.split(" "), 0, ""),) if only else ()
    return ComputedRule(kind, name, function, over, key, patterns, None)  # type: ignore[arg-type]


def filled(made: ComputedRule, target: str = "/hooks", headers: Headers = (), body: bytes = BODY) -> Request:
    return Computed((made,), KEYS).fill(Request("POST", target, headers, body))


@pytest.mark.parametrize("function", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("keyed", [True, False])
def test_a_digest_of_the_body_in_a_header_in_the_form_of_the_recorded_one(function: str, keyed: bool) -> None:
    made = rule("header", "X-Sig", function, key="redacted-key" if keyed else "")
    wanted = hmac.digest(SECRET.encode(), BODY, function) if keyed else hashlib.new(function, BODY).digest()
    old = hashlib.new(function, b"other").digest()
    coded, safe = base64.b64encode(wanted).decode(), base64.urlsafe_b64encode(wanted).decode()
    for recorded, new in {
        old.hex(): wanted.hex(),
        f"{function}={old.hex()}": f"{function}={wanted.hex()}",
        f"t=1,v1={old.hex().upper().replace('0', 'A')}": f"t=1,v1={wanted.hex().upper()}",
        base64.b64encode(old).decode(): coded,
        f"{function}={base64.b64encode(old).decode()}": f"{function}={coded}",
        "unknown": wanted.hex(),
    }.items():
        assert header(filled(made, headers=(("x-sig", recorded),)).headers, "X-Sig") == new
    unsafe = ("-" + base64.urlsafe_b64encode(old).decode()[1:]).rstrip("=")
    assert swapped(unsafe, wanted) == safe.rstrip("=")


def test_a_template_names_parts_of_the_request_and_the_secrets_are_in_them() -> None:
    over = "{method}\n{path}\n{query.at}\n{header.X-Date}\n{body./id}\n{body./sum}\n{body./card}"
    body = b'{"id": "k-1", "sum": 7, "card": "redacted-card", "sig": "old"}'
    made = rule("body", "/sig", "sha256", over, key="redacted-key")
    sent = filled(made, "/hooks?at=5&x=1", (("X-Date", "today"),), body)
    wanted = hmac.digest(SECRET.encode(), b"POST\n/hooks\n5\ntoday\nk-1\n7\n4111-1111-1111", "sha256").hex()
    assert sent.body == body.replace(b"old", wanted.encode()), "nothing else changes, and the secret stays out"


def test_a_parameter_of_the_query() -> None:
    made = rule("query", "sig", "md5", "{path}{body}")
    digest = hashlib.md5(b"/hooks" + BODY).hexdigest()
    assert filled(made, "/hooks?a=1&sig=old&b=%20").target == f"/hooks?a=1&sig={digest}&b=%20"


def test_requests_without_the_place_and_others_stay() -> None:
    plain = Request("POST", "/hooks", (("X-Sig", "old"),), BODY)
    for made in (
        rule("header", "X-Other", "md5"),
        rule("query", "sig", "md5"),
        rule("body", "/none", "md5"),
        rule("header", "X-Sig", "md5", only="GET /hooks"),
        rule("header", "X-Sig", "md5", only="POST /other/*"),
    ):
        assert Computed((made,), KEYS).fill(plain) is plain
    assert filled(rule("header", "X-Sig", "md5", only="POST /ho*"), headers=plain.headers) != plain


def signed(body: bytes) -> str:
    return "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()


async def careful(arrival: Arrival) -> Response:
    """A service that checks the signature of each body."""
    sent = arrival.request
    good = header(sent.headers, "x-hub-signature") == signed(sent.body)
    return answer(200 if good else 401, {})


def rehearsed(rules: tuple[ComputedRule, ...], name: str = "X-Hub-Signature") -> tuple[list[int], list[Note]]:
    """The statuses of two replays of one signed request with a value that each replay draws anew; and the notes."""
    body = {"request_id": "6f1c2d3e-4b5a-4c7d-8e9f-0a1b2c3d4e5f"}
    recorded = request("POST", "/hooks", body, ((name, signed(json.dumps(body).encode())),))

    async def scenario() -> tuple[list[int], list[Note]]:
        async with replay_harness(careful, "1") as harness:
            harness.context.computed = Computed(rules, KEYS) if rules else None
            planned = [replay("1", id=f"r{number}") for number in range(2)]
            await harness.replayer((recorded, answer(200, {}))).run(step(*planned), lambda: None)
            assert len({entry.request.body for entry in harness.operations}) == 2
            found = [entry.response.status for entry in harness.operations if entry.response is not None]
            return found, [note for note in harness.notes if note.kind == "computed"]

    return run_bounded(scenario())


def test_a_signed_request_is_signed_again_in_each_replay() -> None:
    made = rule("header", "X-Hub-Signature", "sha256", key="redacted-key")
    assert rehearsed((made,)) == ([200, 200], [])


def test_without_a_rule_the_refusal_says_what_looks_computed() -> None:
    statuses, notes = rehearsed(())
    assert statuses == [401, 401] and len(notes) == 2
    assert "header X-Hub-Signature looks like a digest" in notes[0].message
    assert "computed: [{header: X-Hub-Signature, sha256: body}], or sha256-hmac and a key" in notes[0].message
    # The twin: a refusal of a request without such a value says nothing.
    assert rehearsed((), "X-Client")[1] == []


def test_a_refused_read_from_which_the_session_goes_on_is_told_too() -> None:
    read = (request("GET", "/hooks", None, (("X-Hub-Signature", signed(b"other")),)), answer(200, {}))

    async def scenario() -> list[Note]:
        async with replay_harness(careful, "1") as harness:
            await harness.replayer(read, read).run(step(replay("1", "1")), lambda: None)
            assert len(harness.operations) == 2
            return harness.notes

    assert [note.kind for note in run_bounded(scenario())] == ["computed"]


MATRIX = """\
matrix: m
services:
  shop:
    port: 8000
    versions: {"1": {command: [run]}, "2": {command: [run, new]}}
traffic:
  - recording: a.har
    rules:
      computed:
        - RULE
"""


def matrix(folder: Path, text: str) -> Path:
    (folder / "a.har").write_text("")
    (folder / "m.yaml").write_text(MATRIX.replace("RULE", text))
    return folder / "m.yaml"


def test_rules_of_a_matrix(tmp_path: Path) -> None:
    text = '{header: X-Sig, sha256-hmac: body, key: {env: HOOK}, for: ["POST /hooks/*"]}'
    (found,) = parse(matrix(tmp_path, text), ()).traffic[0].computed
    assert (found.kind, found.name, found.function, found.over) == ("header", "X-Sig", "sha256", "{body}")
    assert found.keyed and found.source is not None and (found.source.kind, found.source.name) == ("env", "HOOK")
    assert found.applies("POST", "/hooks/1") and not found.applies("GET", "/hooks/1")
    (found,) = parse(matrix(tmp_path, '{body: /sig, md5: "{path}:{body./id}"}'), ()).traffic[0].computed
    assert (found.place, found.keyed, found.source) == ("$request.body#/sig", False, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{header: X-Sig}", "needs one place"),
        ("{sha256: body}", "needs one place"),
        ("{header: X-Sig, query: sig, sha256: body}", "needs one place"),
        ("{header: X-Sig, sha256-hmac: body}", "sha256-hmac needs a key"),
        ("{header: X-Sig, sha256: body, key: {env: A}}", "sha256 has no key"),
        ("{header: X-Sig, sha256-hmac: body, key: {}}", "needs 'env'"),
        ("{header: X-Sig, sha256: '{bod}'}", "must be body, or a template"),
        ("{header: X-Sig, sha256: nothing}", "must be body, or a template"),
        ("{body: sig, sha256: '{path}'}", "must be a JSON pointer"),
        ("{header: X-Sig, sha3: body}", "sha3"),
        ("{header: X-Sig, sha256: body, for: [hooks]}", "must be a path"),
    ],
)
def test_a_rule_that_says_too_little_is_bad_input(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        parse(matrix(tmp_path, text), ())
    assert caught.value.problems[0].line == 10


def test_a_key_that_is_not_set_is_bad_input_and_one_that_is_set_is_masked(tmp_path: Path) -> None:
    file = matrix(tmp_path, "{header: X-Sig, sha256-hmac: body, key: {env: HOOK}}")
    entry = {
        "startedDateTime": "2026-01-02T03:04:05Z", "time": 1,
        "request": {"method": "POST", "url": "http://shop/hooks", "headers": [{"name": "X-Sig", "value": "0" * 64}]},
        "response": {"status": 200, "headers": [], "content": {}},
    }  # fmt: skip
    (tmp_path / "a.har").write_text(json.dumps({"log": {"version": "1.2", "entries": [entry]}}))
    with pytest.raises(BadInput, match="the environment variable HOOK is not set"):
        prepare(file, 0, environ={})
    credentials = prepare(file, 0, environ={"HOOK": SECRET})[0].credentials
    assert credentials is not None and SECRET not in credentials.mask_text(f"key {SECRET}")
