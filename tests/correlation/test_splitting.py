"""Cutting a text and writing the same values back gives the same text; hostile values change nothing around them."""

import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.correlation.reference_player import fill
from verifier.correlation.analysis.templating import make_template
from verifier.correlation.cookie_jar import CookieJar
from verifier.correlation.text import split
from verifier.correlation.text.classes import is_random, is_unique
from verifier.correlation.text.html import values
from verifier.correlation.text.selecting import select
from verifier.http.message import Request

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


def written(text: str, parts: list[split.Part], change: dict[int, str] | None = None) -> str:
    pieces, position = [], 0
    for number, part in enumerate(parts):
        pieces += [text[position : part.start], part.encode((change or {}).get(number, part.value))]
        position = part.end
    return "".join([*pieces, text[position:]])


@given(JSON_VALUES, st.integers(0, 3), st.booleans(), TEXT)
def test_json(value: object, indent: int, ascii_only: bool, new: str) -> None:
    text = json.dumps(value, indent=indent or None, ensure_ascii=ascii_only)
    parts = split.json_text(text)
    assert json.loads(written(text, parts)) == value
    leaves = [leaf for leaf in walk(value) if isinstance(leaf, str | int | float) and not isinstance(leaf, bool)]
    assert [part.value for part in parts] == [leaf if isinstance(leaf, str) else json.dumps(leaf) for leaf in leaves]
    if parts:
        replaced = list(walk(json.loads(written(text, parts, {0: new}))))
        assert len(replaced) == len(list(walk(value)))
        # A number keeps its notation (0E0), which reading it again does not.
        written_as = [new, json.dumps(json.loads(new))] if re.fullmatch(r"-?\d.*", new) and is_json(new) else [new]
        assert not set(written_as).isdisjoint(leaf if isinstance(leaf, str) else json.dumps(leaf) for leaf in replaced)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def walk(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in walk(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in walk(inner)]
    return [value]


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT), min_size=1, max_size=4), TEXT)
def test_forms(pairs: list[tuple[str, str]], new: str) -> None:
    from urllib.parse import urlencode

    text = urlencode(pairs)
    parts = split.form(text)
    assert [part.value for part in parts] == [value for _, value in pairs]
    changed = parse_qsl(written(text, parts, {0: new}), keep_blank_values=True)
    assert changed == [(pairs[0][0], new), *pairs[1:]]


@given(st.lists(TEXT.filter(lambda text: text not in ("", ".", "..")), min_size=1, max_size=3), TEXT.filter(bool))
def test_paths(segments: list[str], new: str) -> None:
    from urllib.parse import quote

    text = "/" + "/".join(quote(segment, safe="") for segment in segments) + "?q=1"
    parts = split.url(text)
    assert [part.value for part in parts] == [*segments, "1"]
    path = urlsplit(written(text, parts, {0: new})).path
    assert [unquote(segment) for segment in path.split("/")[1:]] == [new, *segments[1:]]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=6, max_size=30), TEXT)
def test_base64(value: str, new: str) -> None:
    import base64

    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for text in (encode(value.encode()).decode(), encode(value.encode()).decode().rstrip("=")):
            parts = split.base64_text(text)
            if parts:
                assert parts[0].value == value
                assert written(text, parts) == text
                again = written(text, parts, {0: new})
                assert base64.urlsafe_b64decode(again.replace("+", "-").replace("/", "_") + "==").decode() == new


WORDS = ["http", "://", "shop:8080", "orders", "12", "%20x", "a=1", "\u00e9", "6f1c2d3e-4b5a-4c7d-8e9f-0a1b2c3d4e5f"]
PIECES = st.sampled_from([*WORDS, "/", "//", "?", "#", "-", ":"])


def selected(splitter: str, selector: str, text: str) -> str | None:
    """One part of all that a splitter finds, which must be as many as the selector says (`2|5`)."""
    wanted, _, total = selector.partition("|") if splitter in split.COUNTED else (selector, "", "")
    parts = split.SPLITTERS[splitter](text)
    if total and len(parts) != int(total):
        return None
    return next((part.value for part in parts if part.selector == wanted), None)


@given(st.lists(PIECES, max_size=8).map("".join), st.integers(0, 4), st.integers(0, 5))
def test_selecting_one_part_is_cutting_all(text: str, number: int, total: int) -> None:
    for splitter in split.COUNTED:
        for selector in (f"{number}|{total}", f"{number}|{len(split.SPLITTERS[splitter](text))}", f"{number}"):
            assert select(splitter, selector, text) == selected(splitter, selector, text)
    for selector in (f"/{number}", f"?a={number}"):
        assert select("url", selector, text) == selected("url", selector, text)


def test_multipart_fields_without_files() -> None:
    text = (
        '--xYz\r\nContent-Disposition: form-data; name="order"\r\n\r\n42\r\n'
        '--xYz\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n42\r\n--xYz--\r\n'
    )
    parts = split.multipart(text, "multipart/form-data; boundary=xYz")
    assert [(part.name, part.value) for part in parts] == [("order", "42")]
    assert written(text, parts, {0: "77"}) == text.replace("42", "77", 1)


@given(st.binary(max_size=80), st.text(max_size=30), st.text(max_size=20))
def test_any_request_is_woven_without_a_crash_and_unchanged(raw: bytes, target: str, value: str) -> None:
    safe = "".join(letter for letter in target if letter.isprintable() and not letter.isspace())
    sent = Request("POST", f"/{safe}", (("X-Any", value), ("Content-Type", "application/json")), raw)
    template = make_template(sent, lambda text, place, grain: None)
    assert (template.target, template.headers, template.body, template.uses) == (None, (), None, frozenset())


@given(JSON_VALUES)
def test_filling_holes_with_what_was_there_changes_nothing(value: object) -> None:
    seen: list[str] = []

    def resolve(text: str, place: object, grain: str) -> int | None:
        if grain != "whole" or not any(letter.isdigit() for letter in text):
            return None
        seen.append(text)
        return len(seen) - 1

    body = json.dumps({"a": value, "b": "x1"})
    template = make_template(Request("POST", "/p/1?q=2", (("X-Any", "Bearer t9"),), body.encode()), resolve)
    assert template.target is not None and template.body is not None
    assert fill(template.target, seen) == "/p/1?q=2"
    assert json.loads(fill(template.body, seen)) == json.loads(body)


@given(st.binary(max_size=120))
def test_any_page_is_read(raw: bytes) -> None:
    assert isinstance(values(b"<a href=/x>" + raw), list)


@pytest.mark.parametrize(
    ("value", "unique"),
    [
        ("550e8400-e29b-41d4-a716-446655440000", True),
        ("tok-9f8e7d6c5b4a3f2e", True),
        ("bob@example.com", True),
        ("1700839472613", True),
        ("7d77d7f1", True),  # drawn, as other words of eight hexadecimal digits, though some digits come often
        ("1a1a1a1a", False),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", True),
        ("7", False),
        ("EUR", False),
        ("true", False),
        ("application/json", False),
        ("1000000", False),
        ("2026-01-02", False),
        ("pending_approval", False),
        ("internationalization", False),
        ("en-US,en;q=0.9", False),
        ("v1.2.3", False),
    ],
)
def test_what_is_unique_by_itself(value: str, unique: bool) -> None:
    assert is_unique(value) is unique


@pytest.mark.parametrize("value", ["hello world 2026", "2026-01-02T03:04:05Z", "1700839472613", "+491701234567", "A-1"])
def test_what_no_client_has_drawn(value: str) -> None:
    assert not is_random(value)


def test_cookie_jar() -> None:
    jar = CookieJar()
    jar.store("shop:8080", "/a/b", (("Set-Cookie", "one=1"), ("Set-Cookie", "two=2; Path=/"), ("X", "y")))
    jar.store(
        "shop", "/", (("Set-Cookie", "other=3; Domain=evil.example"), ("Set-Cookie", "=x"), ("Set-Cookie", "bare"))
    )
    assert jar.sent("shop", "/a/c?x") == {"one": "1", "two": "2"}
    assert jar.sent("shop:1", "/ab") == {"two": "2"}
    assert jar.sent("pay", "/a/c") == {}
    jar.store("pay.shop.example", "/", (("set-cookie", "d=4; Domain=shop.example; Path=/"),))
    assert jar.sent("www.shop.example", "/") == {"d": "4"}
    jar.store("shop", "/", (("Set-Cookie", "two=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"),))
    assert jar.sent("shop", "/a/") == {"one": "1"}


@pytest.mark.parametrize("domain", ["shop.example", ".shop.example", "SHOP.EXAMPLE", "www.shop.example"])
def test_a_service_recorded_under_a_name_of_its_own_keeps_the_domain_that_its_client_knew(domain: str) -> None:
    jar = CookieJar()
    jar.store("orders", "/", (("Set-Cookie", f"one=1; Domain={domain}; Path=/"),), (("Host", "www.shop.example:8099"),))
    assert jar.sent("orders", "/a") == {"one": "1"}
    assert jar.sent("payments", "/a") == {}


@pytest.mark.parametrize("asked", [(), (("Host", "other.example"),), (("Host", "myshop.example"),)])
def test_a_domain_that_is_not_the_services_sets_nothing(asked: tuple[tuple[str, str], ...]) -> None:
    jar = CookieJar()
    jar.store("orders", "/", (("Set-Cookie", "one=1; Domain=shop.example; Path=/"),), asked)
    assert jar.sent("orders", "/") == {}
