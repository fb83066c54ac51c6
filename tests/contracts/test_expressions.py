"""Runtime expressions: what is one, what it points at, and JSON pointers by RFC 6901."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.contracts.expressions import as_text, body_json, parse
from verifier.http.message import Request, Response
from verifier.paths import path_values
from verifier.pointers import MISSING, value_at

REQUEST = Request(
    "POST",
    "/v1/orders/o%2F1/items/7?customer=a%20b&empty=&two=1&two=2",
    (("Idempotency-Key", "k"), ("x-empty", "")),
    json.dumps({"id": "o1", "n": 7, "f": 1.5, "yes": True, "none": None, "in": {"b": [{"c": "d"}]}, "": "e"}).encode(),
)
RESPONSE = Response(202, (("Location", "/o/1"),), b'{"id": 3, "list": [10, 20]}')
TEMPLATE = "/orders/{id}/items/{item}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$method", "POST"),
        ("$url", REQUEST.target),
        ("$statusCode", "202"),
        ("$request.header.Idempotency-Key", "k"),
        ("$request.header.idempotency-key", "k"),
        ("$request.header.x-empty", ""),
        ("$request.header.none", None),
        ("$request.query.customer", "a b"),
        ("$request.query.two", "1"),
        ("$request.query.empty", ""),
        ("$request.query.none", None),
        ("$request.path.id", "o/1"),
        ("$request.path.item", "7"),
        ("$request.path.none", None),
        ("$request.body#/id", "o1"),
        ("$request.body#/n", "7"),
        ("$request.body#/f", "1.5"),
        ("$request.body#/yes", "true"),
        ("$request.body#/none", None),
        ("$request.body#/in", '{"b": [{"c": "d"}]}'),
        ("$request.body#/in/b/0/c", "d"),
        ("$request.body#/in/b/1/c", None),
        ("$request.body#/", "e"),
        ("$response.header.location", "/o/1"),
        ("$response.body#/id", "3"),
        ("$response.body#/list/1", "20"),
        ("$response.body#/list/-", None),
        ("$response.body#/list/01", None),
        ("$response.body#", '{"id": 3, "list": [10, 20]}'),
        ("$response.body", '{"id": 3, "list": [10, 20]}'),
    ],
)
def test_what_an_expression_points_at(text: str, value: str | None) -> None:
    assert parse(text).value(REQUEST, RESPONSE, TEMPLATE) == value
    assert parse(text).text == text


@pytest.mark.parametrize("text", ["$statusCode", "$response.body#/id", "$response.header.location"])
def test_without_an_answer_there_is_nothing_to_point_at(text: str) -> None:
    assert parse(text).value(REQUEST, None, TEMPLATE) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"plain", b"[" * 100_000])
def test_a_body_that_is_no_json_has_no_values(body: bytes) -> None:
    assert parse("$response.body#/id").value(REQUEST, Response(200, (), body)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$",
        "id",
        "request.body#/id",
        "$request",
        "$request.",
        "$request.header",
        "$request.header.",
        "$request.cookie.a",
        "$response.query.a",
        "$response.path.a",
        "$request.body/id",
        "$request.body#id",
        "$request.bodyid",
        "$status",
        "$methods",
        "$REQUEST.header.a",
        " $method",
    ],
)
def test_what_is_no_expression_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r".{20}"):
        parse(text)


@given(st.text(max_size=20))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    for candidate in (text, f"${text}", f"$request.{text}", f"$response.body{text}"):
        try:
            found = parse(candidate)
        except ValueError:
            continue
        assert found.text == candidate
        found.value(REQUEST, RESPONSE, TEMPLATE)


# The examples of RFC 6901, section 5.
DOCUMENT = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/foo/2", MISSING),
        ("/foo/-1", MISSING),
        ("/foo/00", MISSING),
        ("/foo/²", MISSING),
        ("/foo/٣", MISSING),
        ("/foo/bar", MISSING),
        ("/none", MISSING),
        ("//x", MISSING),
    ],
)
def test_json_pointers(pointer: str, value: Any) -> None:
    assert value_at(DOCUMENT, pointer) == value


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=12,
)


@given(JSON)
def test_every_place_is_found_by_its_pointer(value: Any) -> None:
    for pointer, inner in places(value, ""):
        assert value_at(value, pointer) is inner


def places(value: Any, pointer: str) -> Any:
    yield pointer, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    if isinstance(value, list):
        for position, inner in enumerate(value):
            yield from places(inner, f"{pointer}/{position}")


@given(JSON)
def test_equal_values_have_equal_texts(value: Any) -> None:
    again = json.loads(json.dumps(value))
    assert as_text(value) == as_text(again)
    assert (as_text(value) is None) == (value is None)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("/orders/{id}", "/orders/7", {"id": "7"}),
        ("/orders/{id}", "/v1/orders/7", {"id": "7"}),
        ("/orders/{id}", "/orders/7/", {"id": "7"}),
        ("/orders/{id}", "/orders", {}),
        ("/orders/{id}", "/notes/7", {}),
        ("/orders/{id}", "/orders/7/items", {}),
        ("/a/{x}/b/{y}", "/a/1/b/2", {"x": "1", "y": "2"}),
        ("/a/{x}/b/{y}", "/a/1/c/2", {}),
        ("/files/{name}.json", "/files/a.json", {"name": "a"}),
        ("/files/{name}.json", "/files/a.xml", {}),
        ("/range/{from}-{to}", "/range/1-2", {"from": "1", "to": "2"}),
        ("/o/{id}", "/o/a%2Fb%20c", {"id": "a/b c"}),
        ("/o/{id}:cancel", "/o/7:cancel", {"id": "7"}),
        ("", "/o/7", {}),
        ("/", "/", {}),
    ],
)
def test_path_parameters(template: str, path: str, values: dict[str, str]) -> None:
    assert path_values(template, path) == values


def test_a_body_is_read_once_and_shared() -> None:
    body = b'{"only": "once"}'
    assert body_json(body) is body_json(bytes(bytearray(body)))
