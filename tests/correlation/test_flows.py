"""Flows by example, each with its twin: what must be followed, and what must be left alone."""

import base64
import json

import pytest

from tests.correlation.building import answer, body, play, request, script
from verifier.correlation import Rules
from verifier.errors import BadInput
from verifier.http.message import Response, header

TOKEN, OTHER = "tok-9f8e7d6c5b4a3f2e", "tok-0a1b2c3d4e5f6a7b"


def test_a_created_id_and_its_decoys() -> None:
    made = script(
        (
            request("POST", "/orders", {"quantity": 7, "page": "7"}),
            answer(201, {"id": 7, "lines": 7, "customer": {"id": 7}}),
        ),
        (request("GET", "/orders/7?limit=7&page=7"), answer()),
        (request("GET", "/customers/7"), answer()),
        (request("GET", "/products/7"), answer()),
        (request("POST", "/refunds", {"order_id": 7, "amount": 7, "customer": "7", "retries": 7}), answer()),
    )
    sent, _ = play(made, answer(201, {"id": 12, "lines": 5, "customer": {"id": 34}}))
    assert [item.target for item in sent] == [
        "/orders",
        "/orders/12?limit=7&page=7",
        "/customers/34",
        "/products/7",
        "/refunds",
    ]
    assert body(sent[4]) == {"order_id": 12, "amount": 7, "customer": "34", "retries": 7}


def test_a_short_number_of_another_kind_is_reported_not_guessed() -> None:
    made = script(
        (request("POST", "/carts"), answer(201, {"id": 3})),
        (request("GET", "/products/3"), answer()),
    )
    sent, player = play(made, answer(201, {"id": 8}))
    assert sent[1].target == "/products/3"
    ((index, kind, message),) = player.notes
    assert (index, kind) == (1, "ambiguous")
    assert "$response.body#/id" in message and "rules: flows:" in message
    kept = script(
        (request("POST", "/carts"), answer(201, {"id": 3})),
        (request("GET", "/products/3"), answer()),
        rules=Rules(keep=("$request.path.1",)),
    )
    assert play(kept, answer(201, {"id": 8}))[1].notes == []


def test_words_and_states_are_never_followed() -> None:
    reply = {"status": "pending", "currency": "EUR", "country": {"name": "GB"}, "ok": True, "page": 1, "total": 10}
    again = {"status": "pending", "currency": "EUR", "country": "GB", "ok": True, "page": 1, "total": 10}
    made = script(
        (request("GET", "/settings"), answer(200, reply)),
        (request("POST", "/search?status=pending&currency=EUR", again), answer()),
    )
    changed = {"status": "done", "currency": "USD", "country": {"name": "FR"}, "ok": False, "page": 2, "total": 99}
    sent, player = play(made, answer(200, changed))
    assert sent[1] == made.steps[1].exchange.request
    assert player.notes == []


def test_a_token_and_who_issued_it() -> None:
    bearer = (("Authorization", f"Bearer {TOKEN}"),)
    made = script(
        (request("POST", "/login", {"user": "al"}), answer(200, {"auth": {"access_token": TOKEN}})),
        (request("GET", "/me", headers=bearer), answer()),
    )
    assert made.steps[0].produces == ("$response.body#/auth/access_token",)
    sent, player = play(made, answer(200, {"auth": {"access_token": OTHER}}))
    assert header(sent[1].headers, "authorization") == f"Bearer {OTHER}"
    assert player.notes == []


def test_a_token_that_nobody_issued_is_reported() -> None:
    made = script((request("GET", "/me", headers=(("Authorization", f"Bearer {TOKEN}"),)), answer()))
    (report,) = made.steps[0].unmatched
    assert report.kind == "unmatched"
    assert "$request.header.Authorization" in report.message
    assert "keep:" in report.rule
    assert play(made)[1].notes[0][:2] == (0, "unmatched")
    settled = script(
        (request("GET", "/me", headers=(("Authorization", f"Bearer {TOKEN}"),)), answer()), rules=Rules(keep=(TOKEN,))
    )
    assert settled.steps[0].unmatched == ()


@pytest.mark.parametrize(
    ("method", "target", "status", "reported"),
    [
        ("GET", "/orders/550e8400-e29b-41d4-a716-446655440000", 200, True),
        ("DELETE", "/orders/550e8400-e29b-41d4-a716-446655440000", 204, True),
        ("GET", "/orders/550e8400-e29b-41d4-a716-446655440000", 404, False),
        ("PUT", "/orders/550e8400-e29b-41d4-a716-446655440000", 201, False),
        ("PUT", "/orders/550e8400-e29b-41d4-a716-446655440000", 200, False),
        ("PATCH", "/orders/550e8400-e29b-41d4-a716-446655440000", 200, True),
        ("GET", "/orders?customer=550e8400-e29b-41d4-a716-446655440000", 200, True),
        ("GET", "/orders?request_id=550e8400-e29b-41d4-a716-446655440000", 200, False),
        ("GET", "/orders/12", 200, False),
    ],
)
def test_an_id_from_before_the_recording(method: str, target: str, status: int, reported: bool) -> None:
    made = script((request(method, target), answer(status)))
    assert bool(made.steps[0].unmatched) is reported


def test_cookies_as_a_browser_keeps_them() -> None:
    made = script(
        (
            request("GET", "/"),
            answer(200, headers=(("Set-Cookie", "sid=first; Path=/"), ("Set-Cookie", "csrf=c1; Path=/"))),
        ),
        (request("POST", "/a", headers=(("Cookie", "theme=dark; sid=first; csrf=c1"), ("X-Csrf", "c1"))), answer(200)),
        (request("POST", "/b", headers=(("Cookie", "theme=dark; sid=first"),)), answer(200)),
    )
    fresh = answer(200, headers=(("Set-Cookie", "sid=SECOND; Path=/"), ("Set-Cookie", "csrf=c2; Path=/")))
    gone = answer(200, headers=(("Set-Cookie", "csrf=; Max-Age=0; Path=/"), ("Set-Cookie", "new=1; Path=/")))
    sent, player = play(made, fresh, gone)
    assert header(sent[1].headers, "cookie") == "theme=dark; sid=SECOND; csrf=c2"
    # What the replayed service sets besides is sent too.
    assert header(sent[2].headers, "cookie") == "theme=dark; sid=SECOND; new=1"
    assert player.notes == []
    sent, player = play(made, answer(200))
    assert header(sent[1].headers, "cookie") == "theme=dark"
    assert {kind for _, kind, _ in player.notes} == {"unmatched"}


def test_a_client_that_keeps_no_cookies_sends_none() -> None:
    made = script(
        (request("GET", "/"), answer(200, headers=(("Set-Cookie", "sid=first; Path=/"),))),
        (request("GET", "/a"), answer()),
    )
    assert header(play(made)[0][1].headers, "cookie") is None


def test_html_forms_and_links() -> None:
    def page(token: str, number: str) -> bytes:
        return (
            f'<meta name="csrf-token" content="{token}"><form method=post action="/carts/{number}/items">'
            f'<input name=qty value=1><input type=hidden name=_token value="{token}"></form>'
            f'<a href="/orders/{number}/receipt?x=1">receipt</a>'
        ).encode()

    html = (("Content-Type", "text/html; charset=utf-8"),)
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    made = script(
        (request("GET", "/shop"), answer(200, page(TOKEN, "41"), html)),
        (request("POST", "/carts/41/items", f"qty=1&_token={TOKEN}", form), answer()),
        (request("GET", "/orders/41/receipt?x=1", headers=(("X-Csrf-Token", TOKEN),)), answer()),
    )
    sent, player = play(made, answer(200, page(OTHER, "77"), html))
    assert (sent[1].target, sent[1].body) == ("/carts/77/items", f"qty=1&_token={OTHER}".encode())
    assert (sent[2].target, header(sent[2].headers, "x-csrf-token")) == ("/orders/77/receipt?x=1", OTHER)
    assert player.notes == []


def test_entity_tags_follow_the_latest_answer() -> None:
    def tagged(number: int) -> tuple[tuple[str, str], ...]:
        return (("ETag", f'"{number}"'),)

    made = script(
        (request("PUT", "/a", {"v": 1}), answer(200, {"version": 1}, tagged(1))),
        (request("PUT", "/a", {"v": 2}, (("If-Match", '"1"'),)), answer(200, {"version": 2}, tagged(2))),
        (request("PUT", "/a", {"v": 3, "version": 2}, (("If-Match", '"2"'),)), answer(200, {}, tagged(3))),
    )
    sent, _ = play(made, answer(200, {"version": 8}, tagged(8)), answer(200, {"version": 9}, tagged(9)))
    assert header(sent[1].headers, "if-match") == '"8"'
    assert header(sent[2].headers, "if-match") == '"9"'
    assert body(sent[2]) == {"v": 3, "version": 9}


def test_encodings_inside_each_other() -> None:
    def carried(value: str) -> bytes:
        inner = base64.b64encode(json.dumps({"ref": value}).encode()).decode()
        return json.dumps(
            {"state": json.dumps({"next": f"/orders/{value}?back=%2Fcarts%2F{value}", "raw": inner})}
        ).encode()

    json_type = (("Content-Type", "application/json"),)
    made = script(
        (request("POST", "/orders"), answer(201, {"data": [{"a": {"id": TOKEN}}]})),
        (request("POST", "/x", carried(TOKEN), json_type), answer()),
    )
    sent, _ = play(made, answer(201, {"data": [{"a": {"id": OTHER}}]}))
    assert json.loads(sent[1].body) == json.loads(carried(OTHER))


def test_values_of_lists() -> None:
    listed = {"products": [{"id": 1, "name": "tea"}, {"id": 2, "name": "mug"}]}
    made = script((request("GET", "/products"), answer(200, listed)), (request("GET", "/products/2"), answer()))
    # Still there, at another position: the same thing.
    moved = {"products": [{"id": 5, "name": "cup"}, {"id": 1, "name": "tea"}, {"id": 2, "name": "mug"}]}
    assert play(made, answer(200, moved))[0][1].target == "/products/2"
    # Known by its name, under another id.
    renumbered = {"products": [{"id": 30, "name": "cup"}, {"id": 31, "name": "mug"}]}
    assert play(made, answer(200, renumbered))[0][1].target == "/products/31"
    # Nothing alike: the same position.
    strange = {"products": [{"id": 8}, {"id": 9}]}
    assert play(made, answer(200, strange))[0][1].target == "/products/9"
    assert play(made, answer(200, {"products": []}))[1].notes[0][1] == "unmatched"


def test_who_created_a_thing_is_trusted_more_than_a_list_of_them() -> None:
    made = script(
        (request("POST", "/orders"), answer(201, {"id": 7})),
        (request("GET", "/orders"), answer(200, [{"id": 6}, {"id": 7}])),
        (request("GET", "/orders/7"), answer()),
    )
    sent, _ = play(made, answer(201, {"id": 9}), answer(200, [{"id": 7}, {"id": 8}, {"id": 9}]))
    assert sent[2].target == "/orders/9"


def test_two_equal_sources_that_part_are_ambiguous() -> None:
    made = script(
        (request("POST", "/a"), answer(200, {"ref": TOKEN})),
        (request("POST", "/b"), answer(200, {"ref": TOKEN})),
        (request("GET", "/c", headers=(("X-Any", TOKEN),)), answer()),
    )
    sent, player = play(made, answer(200, {"ref": OTHER}), answer(200, {"ref": OTHER}))
    assert (header(sent[2].headers, "x-any"), player.notes) == (OTHER, [])
    sent, player = play(made, answer(200, {"ref": "one-1"}), answer(200, {"ref": "two-2"}))
    assert header(sent[2].headers, "x-any") == "two-2"
    ((index, kind, message),) = player.notes
    assert (index, kind) == (2, "ambiguous")
    assert "'one-1'" in message and "'two-2'" in message and "flows:" in message


def test_an_answer_cannot_smuggle_a_header() -> None:
    made = script(
        (request("POST", "/a"), answer(200, {"ref": TOKEN})),
        (request("GET", f"/c/{TOKEN}", headers=(("X-Any", TOKEN),)), answer()),
    )
    sent, _ = play(made, answer(200, {"ref": "x\r\nEvil: 1"}))
    assert header(sent[1].headers, "x-any") == "xEvil: 1"
    assert sent[1].target == "/c/x%0D%0AEvil%3A%201"


def test_numbers_keep_their_type_and_bodies_their_bytes() -> None:
    raw = b'{ "order_id":7 ,\n"price": 1.50, "text": "\\u20ac", "again": {"orderId" : "7"} }'
    json_type = (("Content-Type", "application/json"),)
    made = script(
        (request("POST", "/orders"), answer(201, {"id": 7})),
        (request("POST", "/x", raw, json_type), answer()),
    )
    sent, _ = play(made, answer(201, {"id": 8}))
    assert sent[1].body == raw.replace(b"7", b"8")
    sent, _ = play(made, answer(201, {"id": "a8"}))
    assert body(sent[1])["order_id"] == "a8"


def test_rules_settle_a_flow() -> None:
    pairs = [
        (request("POST", "/carts"), answer(201, {"id": 3, "code": "x"})),
        (request("GET", "/products/3?c=x"), answer()),
        (request("GET", "/products/4?c=x"), answer()),
    ]
    flows = (
        ("POST /carts $response.body#/id", "GET /products/3 $request.path.1"),
        ("$response.body#/code", "$request.query.c"),
    )
    made = script(*pairs, rules=Rules(flows=flows))
    sent, player = play(made, answer(201, {"id": 8, "code": "y"}))
    assert [item.target for item in sent[1:]] == ["/products/8?c=y", "/products/4?c=y"]
    assert player.notes == []
    missing = script(*pairs, rules=Rules(flows=(("$response.body#/none", "$request.query.c"),)))
    assert missing.steps[1].unmatched


@pytest.mark.parametrize(
    "flow",
    [("id", "$request.query.c"), ("$request.body#/a", "$request.query.c"), ("$response.body#/a", "$response.body")],
)
def test_a_rule_that_is_none_is_bad_input(flow: tuple[str, str]) -> None:
    with pytest.raises(BadInput, match=r"\$re"):
        script((request("GET", "/"), answer()), rules=Rules(flows=(flow,)))


def test_nothing_to_change_costs_nothing() -> None:
    made = script((request("GET", "/health?x=1"), answer(200, {"ok": True})))
    sent, _ = play(made)
    assert sent[0] is made.steps[0].exchange.request


def _page(last: int) -> str:
    return base64.b64encode(f"id:{last}".encode()).decode()


@pytest.mark.parametrize(
    ("given", "asked"),
    [("next_cursor", "cursor"), ("nextPageToken", "pageToken"), ("next", "cursor"), ("next_page", "page"),
     ("endCursor", "after")],
)  # fmt: skip
def test_the_next_page_is_asked_for_with_what_the_answer_gave_not_with_what_is_in_it(given: str, asked: str) -> None:
    """A position is its service's secret: another release may write it in another way."""
    items = {"items": [{"id": 4}, {"id": 3}], given: _page(3)}
    made = script(
        (request("POST", "/tickets"), answer(201, {"id": 3})),
        (request("GET", "/tickets"), answer(200, items)),
        (request("GET", f"/tickets?{asked}={_page(3).replace('=', '%3D')}"), answer(200, {"items": []})),
    )
    assert made.steps[1].produces == (f"$response.body#/{given}",)
    items = {"items": [{"id": 44}, {"id": 43}], given: "before-43"}
    sent, player = play(made, answer(201, {"id": 43}), answer(200, items))
    assert sent[2].target == f"/tickets?{asked}=before-43"
    assert player.notes == []


def test_a_position_of_letters_alone_is_asked_for_as_the_answer_gave_it() -> None:
    made = script(
        (request("GET", "/tickets"), answer(200, {"items": [], "next": "bzoz"})),
        (request("GET", "/tickets?cursor=bzoz"), answer(200, {"items": []})),
    )
    sent, _ = play(made, answer(200, {"items": [], "next": "azoyMQ=="}))
    assert sent[1].target == "/tickets?cursor=azoyMQ%3D%3D"


@pytest.mark.parametrize(("given", "asked"), [("next_size", "size"), ("next", "limit"), ("cursor", "next_cursor")])
def test_a_short_value_is_not_followed_where_the_names_do_not_continue_each_other(given: str, asked: str) -> None:
    made = script(
        (request("GET", "/tickets"), answer(200, {"items": [], given: "25" if asked == "limit" else "big"})),
        (request("GET", f"/tickets?{asked}={'25' if asked == 'limit' else 'big'}"), answer(200, {"items": []})),
    )
    sent, _ = play(made, answer(200, {"items": [], given: "50"}))
    assert sent[1] == made.steps[1].exchange.request


@pytest.mark.parametrize(
    "element",
    [
        '<script src="{}"></script>',
        '<img alt="a chart" src="{}">',
        '<img srcset="{} 2x, /small.png 1x">',
        '<link rel="stylesheet" href="{}">',
        '<source type="video/mp4" src="{}">',
    ],
)
def test_what_a_page_loads_is_taken_from_the_page(element: str) -> None:
    """Each build names its files by their content, so the page says what to ask for."""

    def page(name: str) -> Response:
        body = f"<!doctype html><title>Shop</title>{element.format(name)}".encode()
        return Response(200, (("Content-Type", "text/html; charset=utf-8"),), body)

    old, new = "/assets/app-273a8e66c4796e9c.js", "/assets/app-9d1f04b2aa6e5c70.js"
    made = script(
        (request("GET", "/"), page(old)), (request("GET", old), Response(200, (("Content-Type", "text/plain"),), b"x"))
    )
    sent, _ = play(made, page(new))
    assert sent[-1].target == new
