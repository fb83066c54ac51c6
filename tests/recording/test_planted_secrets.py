"""Of many planted secrets none is readable in a redacted recording, and ordinary traffic stays as it is."""

from __future__ import annotations

import html
import json
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from tests.recording.planted_secrets import FORM, JSON, TEXT, XML, Corpus, forms, planted
from verifier.recording.har import HarWriter
from verifier.recording.load import load
from verifier.recording.redact import Redaction, Redactor
from verifier.recording.secret_map import PLACEHOLDER
from verifier.recording.suspicion import session_header_kept

RECORDINGS = Path(__file__).parents[2] / "matrices" / "recordings"
CORPUS = planted()


def readable(corpus: Corpus, text: str) -> list[str]:
    return [where for where, secret in corpus.secrets.items() if any(form in text for form in forms(secret))]


def test_no_planted_secret_is_readable(tmp_path: Path) -> None:
    assert len(CORPUS.secrets) > 200
    for redaction, name in ((None, "open.har"), (Redaction(), "redacted.har")):
        with HarWriter(tmp_path / name, redaction) as writer:
            for exchange in CORPUS.exchanges:
                writer.add(exchange, "a")
    # Only the password inside Basic credentials cannot be read as it is.
    assert len(readable(CORPUS, (tmp_path / "open.har").read_text())) == len(CORPUS.secrets) - 1
    assert readable(CORPUS, (tmp_path / "redacted.har").read_text()) == []


ORDINARY: dict[str, object] = {
    "next_page_token": "CAUQAA", "page_token": "b3JkZXI6MTI", "tokenizer": "cl100k_base", "sessions": 12,
    "pinned": True, "card_count": 2, "max_tokens": 4096, "passenger": "Anna Schmidt", "boarding_pass": "window seat",
    "token_type": "Bearer", "expires_in": 3600, "shipping": "express", "country_code": "DE", "promo_code": "SUMMER24",
    "zip_code": "10115", "code": "out_of_stock", "status_code": 404, "error_code": "E1021",
    "idempotency_key": "4f5d2c7b8a9e4d3c8b1a0f9e8d7c6b5a", "primary_key": "order_id", "sort_key": "created_at",
    "session_count": 3, "session": "evening", "card_type": "visa", "last4": "4242", "postcard": "Greetings from Rome",
    "wildcard": "*", "secretary": "Mr Jones", "password_required": False, "keyboard": "QWERTZ", "monkey": "business",
    "author": "Jane Doe", "authority": "Berlin", "compass": "north",
    "description": "Your session tickets: one card, no password needed", "ean": "4006381333931",
    "tracking": "1Z999AA10123456784", "iso": "2026-11-23T21:38:59.681+00:00", "millis": 1795469423021,
    "phone": "+49 30 901820", "opinion": "fine", "spinner": "on", "cursor": "eyJpZCI6MTJ9", "etag": 'W/"5f3a1c"',
    "discount_card": None, "pin_required": "yes", "session_timeout": "30m", "key": "name", "keys": ["a", "b"],
    "codes": ["A1", "B2"], "sku": "4111111111111111x", "order_id": "8c743c07-c4e5-4124-a9a0-cffcf8aadd9d",
    "url": "http://shop/items?page=2&sort=price&code=A1", "email": "anna.7ae69f606d@example.org",
    "cardinality": "many", "assertions": 4, "passed": "all", "bypass": "none", "total_tokens": 51,
    "csrf_enabled": "true", "html": "<b class='pin'>Token of love</b>", "sidebar": "left",
    "note": "Pin: the red one. Code: see below. Bearer of good news, basic information.", "side": "b",
    "ssn_required": "no",
}  # fmt: skip


PROSE = [
    "Your order number is 482913", "Pin 3 of 20 is red", "flight AB1234 at gate 12", "a token of 5 years",
    "PIN entry failed",
    "tar --output x.tar -u me", "Password reset link sent to anna@example.org", "the secret of 1000 islands",
    "see key 42",
    "Card: visa, Session: morning, Code: none", "http://shop/list?page_token=CAUQAA&sort=card", "pass the 2nd gate",
]  # fmt: skip
DOCUMENTS: list[object] = [
    {"type": "card", "value": 12}, {"name": "Session", "value": "morning"}, {"card": {"brand": "visa"}},
    {"columns": ["password", "email"]}, ["password", "email"], {"id": "card", "value": "visa"},
    {"productName": "token ring", "priceValue": 12},
    {"cards": [{"id": 17, "title": "Deck"}], "tokens": 5, "sessions": [{"id": "s-17", "title": "Keynote 2026"}]},
    {"openapi": "3.0.0", "properties": {"password": {"type": "string"}, "token": {"type": "string", "minLength": 8}}},
]  # fmt: skip


def test_ordinary_traffic_stays_as_it_is() -> None:
    """Names that only look like those of secrets, and the shop's own recordings."""
    redactor = Redactor(Redaction())
    text = json.dumps(ORDINARY)
    query = "&".join(f"{name}={quote_plus(str(value))}" for name, value in ORDINARY.items())
    xml = "".join(f"<{name}>{html.escape(str(value))}</{name}>" for name, value in ORDINARY.items())
    corpus = Corpus()
    headers = tuple((name.replace("_", "-"), str(value)) for name, value in ORDINARY.items())
    corpus.add(f"/orders?{query}", (*JSON, ("X-Session", "71f03ae6-0f07-4c42-baeb-e1bbe1204918")), text, headers, text)
    corpus.add("/orders", FORM, query, XML, f"<a>{xml}</a>")
    for sentence in PROSE:
        corpus.add("/notes", JSON, json.dumps({"text": sentence}), TEXT, sentence)
    for value in DOCUMENTS:
        corpus.add("/notes", JSON, json.dumps(value))
    corpus.add("/pins/1234/cards/567890", (("Content-Type", "text/csv"),), "id,card,pinned\n1,visa,yes\n")
    corpus.add("/sessions/71f03ae6-0f07-4c42-baeb-e1bbe1204918/cards/12/tokens", TEXT, "pass the salt: now, key = a")
    for exchange in corpus.exchanges:
        assert redactor.exchange(exchange) == exchange, redactor.log.table()
    for name in ("checkout", "notes", "greet", "kinto"):
        for session in load(RECORDINGS / f"{name}.har").sessions:
            assert [redactor.exchange(exchange) for exchange in session.exchanges] == list(session.exchanges)
    assert not redactor.log.redacted


def test_what_flows_from_one_exchange_to_the_next_still_does(tmp_path: Path) -> None:
    with HarWriter(tmp_path / "x.har") as writer:
        for exchange in CORPUS.exchanges[-4:]:  # a value that only the third one tells to be a secret
            writer.add(exchange, "a")
    first, second, third, fourth = load(tmp_path / "x.har").sessions[0].exchanges
    token = json.loads(first.response.body)["reference"]
    assert PLACEHOLDER.fullmatch(token)
    assert (second.request.target, dict(third.request.headers)["X-Auth-Token"]) == (f"/find?q={token}", token)
    assert fourth.response.body == f"and {token} once more".encode()
    assert writer.credentials == ()  # the first response issues it


def test_a_header_that_tells_sessions_apart_is_left_unless_it_lets_somebody_in() -> None:
    for name, left in (("X-Session", True), ("X-Client", True), ("X-Session-Token", False), ("Authorization", False)):
        assert (session_header_kept(name).keep == (name,)) is left
        corpus = Corpus()
        corpus.add(sent=((name, "s-4711-0815-abc"),))
        redactor = Redactor(session_header_kept(name))
        assert (redactor.exchange(corpus.exchanges[0]) == corpus.exchanges[0]) is left
    assert session_header_kept(None).keep == ()


@pytest.mark.parametrize("body", ["text/event-stream", "multipart/mixed; boundary=b"])
def test_depth_and_streams_are_bounded(body: str) -> None:
    inner = "password=hunter2hunter2"
    for _ in range(30):
        inner = f"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{inner}\r\n--b--"
    corpus = Corpus()
    corpus.add(sent=(("Content-Type", body),), body=f'data: {{"password": "hunter2hunter2"}}\n\n{inner}')
    assert b"hunter2" not in Redactor(Redaction()).exchange(corpus.exchanges[0]).request.body
