"""What a session borrows of others, each case with the twin that must borrow nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.correlation.building import BEGAN, answer, playing, request
from verifier.correlation import Player, Rules, Script, learn_all
from verifier.http.message import Headers, Request, Response
from verifier.recording.model import Exchange, Session

TOKEN, OTHER = "tok-5f2c9e7a41d84b06", "tok-c80d1b3e6fa94572"
UUID, UUID2 = "9d7d4ec0-6d4e-4e0b-a6a2-6a0d0d1f9f11", "2f5a4e97-543b-4f31-b76a-764644087c73"


def bearer(token: str) -> Headers:
    return (("Authorization", f"Bearer {token}"),)


def cookie(text: str) -> Headers:
    return (("Cookie", text),)


def traffic(*entries: tuple[str, Request, Response], rules: Rules = Rules(), most: int = 40) -> dict[str, Script]:  # noqa: B008
    """Scripts by client; the entries are the whole recording in order."""
    clients: dict[str, list[Exchange]] = {}
    for at, (client, sent, answered) in enumerate(entries):
        clients.setdefault(client, []).append(Exchange(sent, answered, "shop:8080", float(at), 0.01, at + 1))
    sessions = [Session(client, tuple(exchanges)) for client, exchanges in clients.items()]
    scripts = learn_all(sessions, began=BEGAN, rules=rules, most=most)
    return {script.session: script for script in scripts}


def named_in_a_path(*others: tuple[str, Request, Response], empty: bool = True, method: str = "POST") -> Script:
    """A client that writes below a random name and reads there, beside other clients."""
    entries = (
        ("a", request(method, f"/boxes/{UUID}/items", {"n": 1}), answer(201, {"n": 1})),
        ("a", request("GET", f"/boxes/{UUID}/items"), answer(200, {"items": [1]})),
        *others,
    )
    clients: dict[str, list[Exchange]] = {}
    for at, (client, sent, answered) in enumerate(entries):
        clients.setdefault(client, []).append(Exchange(sent, answered, "shop:8080", float(at), 0.01, at + 1))
    sessions = [Session(client, tuple(exchanges)) for client, exchanges in clients.items()]
    return learn_all(sessions, began=BEGAN, empty_stores=empty)[0]


def test_a_random_name_that_one_client_alone_posts_below_is_its_own_where_stores_begin_empty() -> None:
    script = named_in_a_path(("b", request("GET", "/boxes"), answer(200, [])))
    sent, _ = replay(script)
    assert reports(script) == []
    assert UUID not in sent[0].target
    assert sent[0].target == sent[1].target


@pytest.mark.parametrize(
    "script",
    [
        named_in_a_path(empty=False),
        named_in_a_path(("b", request("GET", f"/boxes/{UUID}/items"), answer(200, {"items": [1]}))),
        named_in_a_path(method="PATCH"),
    ],
    ids=["stores that are filled before", "another client uses it", "what is changed was there"],
)
def test_a_random_name_that_may_have_been_there_before_is_sent_as_recorded(script: Script) -> None:
    sent, _ = replay(script)
    assert UUID in sent[0].target
    assert any("unmatched" in report for report in reports(script))


def borrowed(script: Script) -> list[tuple[str, str]]:
    return [(step.lender, step.name) for step in script.steps if step.lender]


def reports(script: Script) -> list[str]:
    return [f"{report.kind}: {report}" for step in script.steps for report in (*step.unmatched, *step.ambiguous)]


def replay(script: Script, **answers: Response) -> tuple[list[Request], Player]:
    """Send every step; the answers go by path (`login` for /login), else as recorded."""
    player, sent = playing(script, "again", BEGAN + 1e6), []
    for index, step in enumerate(script.steps):
        sent.append(player.request(index))
        name = step.exchange.request.path.strip("/").split("/")[0]
        player.learn(index, answers.get(name, step.exchange.response))
    return sent, player


LOGIN = request("POST", "/login", {"user": "anna", "password": "redacted-0123456789abcdef01234567"})


@pytest.mark.parametrize(
    ("issued", "carried"),
    [
        (lambda token: answer(200, {"token": token}), bearer),
        (lambda token: answer(200, {"auth": {"api_key": token}}), lambda token: (("X-Api-Key", token),)),
        (lambda token: answer(204, None, (("X-Session", token),)), lambda token: (("X-Session", token),)),
        (lambda token: answer(200, {"session": token}), lambda token: cookie(f"lang=en; session={token}")),
        (
            lambda token: answer(200, {}, (("Set-Cookie", f"sid={token}; Path=/"),)),
            lambda token: cookie(f"sid={token}"),
        ),
    ],
    ids=["bearer", "api key", "header", "session id", "cookie"],
)
@pytest.mark.parametrize("other", [True, False])
def test_what_a_login_issues_is_issued_anew_wherever_the_login_is(issued: Any, carried: Any, other: bool) -> None:
    read = request("GET", "/orders", headers=carried(TOKEN))
    scripts = traffic(("auth" if other else "shop", LOGIN, issued(TOKEN)), ("shop", read, answer(200, [])))
    script = scripts["shop"]
    assert borrowed(script) == ([("auth", "POST /login")] if other else [])
    sent, player = replay(script, login=issued(OTHER))
    assert sent[-1].headers == carried(OTHER)
    assert (reports(script), player.notes) == ([], [])


@pytest.mark.parametrize(
    "carried", [bearer, lambda token: (("X-Api-Key", token),), lambda token: cookie(f"sid={token}")]
)
def test_what_nothing_issues_is_reported_with_the_declaration_that_settles_it(carried: Any) -> None:
    secret = "redacted-89abcdef0123456789abcdef"
    entries = (
        ("auth", request("POST", "/elsewhere"), answer(200, {"token": OTHER})),
        ("shop", request("GET", "/orders", headers=carried(secret)), answer(200, [])),
    )
    (told,) = reports(traffic(*entries)["shop"])
    assert told.startswith("unmatched: ")
    assert f"settle it with credentials: {{{secret}: {{env: NAME}}}}" in told
    assert reports(traffic(*entries, rules=Rules(keep=(secret,)))["shop"]) == []


def test_the_exchanges_that_an_issuing_one_depends_on_come_with_it_in_recorded_order() -> None:
    cart = {"cart": {"id": UUID}}
    scripts = traffic(
        ("anna", LOGIN, answer(200, {"token": TOKEN})),
        ("anna", request("GET", "/news", headers=bearer(TOKEN)), answer(200, {"n": 1})),
        ("anna", request("POST", "/carts", {}, bearer(TOKEN)), answer(201, {"id": UUID})),
        ("anna", request("PUT", f"/carts/{UUID}/lines/1", {"sku": "A"}, bearer(TOKEN)), answer(200, {"n": 1})),
        ("anna", request("POST", "/orders", cart, bearer(TOKEN)), answer(201, {"id": UUID2})),
        ("anna", request("DELETE", f"/carts/{UUID}", headers=bearer(TOKEN)), answer(204)),
        ("clerk", request("GET", f"/orders/{UUID2}"), answer(200, {"id": UUID2})),
    )
    names = ["POST /login", "POST /carts", "PUT /carts/{}/lines/{}", "POST /orders"]
    assert borrowed(scripts["clerk"]) == [("anna", name) for name in names]
    assert borrowed(scripts["anna"]) == []
    fresh = "11111111-2222-4333-8444-555555555555"
    sent, player = replay(scripts["clerk"], login=answer(200, {"token": OTHER}), orders=answer(201, {"id": fresh}))
    assert sent[-1].target == f"/orders/{fresh}"
    assert [dict(entry.headers).get("Authorization") for entry in sent] == [None, *[f"Bearer {OTHER}"] * 3, None]
    assert player.notes == []


def test_an_issuer_that_depends_on_the_session_itself_comes_after_that() -> None:
    scripts = traffic(
        ("anna", request("POST", "/orders", {}), answer(201, {"id": UUID})),
        ("clerk", request("POST", f"/orders/{UUID}/approval", {}), answer(201, {"approval": {"code": TOKEN}})),
        ("anna", request("GET", f"/approvals/{TOKEN}"), answer(200, {})),
    )
    names = [(step.lender, step.name) for step in scripts["anna"].steps]
    assert names == [("", "POST /orders"), ("clerk", "POST /orders/{}/approval"), ("", "GET /approvals/{}")]
    assert borrowed(scripts["clerk"]) == [("anna", "POST /orders")]


def test_cookies_of_the_lender_stay_in_the_lender_s_jar() -> None:
    sid, own = "sid=5f2c9e7a41d84b06; Path=/", "sid=c80d1b3e6fa94572; Path=/"
    scripts = traffic(
        ("anna", LOGIN, answer(200, {}, (("Set-Cookie", sid),))),
        ("anna", request("POST", "/orders", {}, cookie("sid=5f2c9e7a41d84b06")), answer(201, {"id": UUID})),
        ("clerk", request("POST", "/login", {"user": "clerk"}), answer(200, {}, (("Set-Cookie", own),))),
        ("clerk", request("GET", f"/orders/{UUID}", headers=cookie("sid=c80d1b3e6fa94572")), answer(200, {})),
        ("guest", request("GET", f"/orders/{UUID}"), answer(200, {})),
    )
    sent, player = replay(scripts["clerk"])
    assert [dict(entry.headers).get("Cookie") for entry in sent] == [
        None, "sid=5f2c9e7a41d84b06", None, "sid=c80d1b3e6fa94572"
    ]  # fmt: skip
    sent, _ = replay(scripts["guest"])
    assert [dict(entry.headers).get("Cookie") for entry in sent] == [None, "sid=5f2c9e7a41d84b06", None]
    assert player.notes == []


def test_a_value_that_two_sessions_were_issued_alike_is_reported_and_a_rule_settles_it() -> None:
    issued = answer(200, {"token": TOKEN})
    entries = (
        ("anna", LOGIN, issued),
        ("bert", LOGIN, issued),
        ("cleo", request("GET", "/orders", headers=bearer(TOKEN)), answer(200, [])),
    )
    script = traffic(*entries)["cleo"]
    assert borrowed(script) == [("bert", "POST /login")]
    (told,) = reports(script)
    assert told.startswith("ambiguous: $request.header.Authorization is tok-")
    assert "sessions anna and bert were issued alike; that of bert is replayed" in told
    flow = ("POST /login $response.body#/token", "$request.header.Authorization")
    assert f'{{from: "{flow[0]}", to: {flow[1]}}}' in told
    settled = traffic(*entries, rules=Rules(keep=(TOKEN,)))["cleo"]
    assert (borrowed(settled), reports(settled)) == ([], [])
    settled = traffic(*entries, rules=Rules(flows=(flow,)))["cleo"]
    assert (borrowed(settled), reports(settled)) == ([("bert", "POST /login")], [])


def test_a_rule_is_followed_into_other_sessions() -> None:
    entries = (
        ("anna", request("POST", "/things", {}), answer(201, {"number": 7, "other": 7})),
        ("bert", request("GET", "/parcels/7"), answer(200, {})),
    )
    assert borrowed(traffic(*entries)["bert"]) == []
    rules = Rules(flows=(("POST /things $response.body#/number", "GET /parcels/{} $request.path.1"),))
    script = traffic(*entries, rules=rules)["bert"]
    assert (borrowed(script), reports(script)) == ([("anna", "POST /things")], [])
    sent, _ = replay(script, things=answer(201, {"number": 12}))
    assert sent[-1].target == "/parcels/12"


@pytest.mark.parametrize(
    ("issued", "used", "name"),
    [
        (answer(201, {"id": 7}), request("GET", "/orders/7"), "POST /orders"),
        (answer(201, {"id": 7}), request("POST", "/refunds", {"order_id": 7}), "POST /orders"),
        # Decoys: a quantity, an enumeration's word, an id of another kind, a list of what was there before.
        (answer(201, {"id": 1, "quantity": 7}), request("POST", "/refunds", {"quantity": 7}), ""),
        (answer(201, {"id": 1, "status": "pending"}), request("GET", "/orders?status=pending"), ""),
        (answer(201, {"id": 7}), request("GET", "/users/7"), ""),
        (answer(201, {"id": 1, "related": [{"id": 7}]}), request("GET", "/orders/7"), ""),
        (answer(201, {"id": 1, "currency": "EUR"}), request("POST", "/refunds", {"currency": "EUR"}), ""),
    ],
)
def test_short_values_are_borrowed_by_their_names_and_constants_never(
    issued: Response, used: Request, name: str
) -> None:
    script = traffic(("anna", request("POST", "/orders", {}), issued), ("bert", used, answer(200, {})))["bert"]
    assert borrowed(script) == ([("anna", name)] if name else [])


def test_what_a_client_knew_before_any_answer_said_it_is_nobody_s_to_issue() -> None:
    app = (("X-App", UUID),)
    scripts = traffic(
        ("anna", request("POST", "/events", {"kind": "open"}, app), answer(200, {"app": UUID})),
        ("bert", request("POST", "/events", {"kind": "open"}, app), answer(200, {"app": UUID})),
    )
    assert [borrowed(script) for script in scripts.values()] == [[], []]


def test_an_address_that_an_answer_has_shown_is_still_the_user_s_own() -> None:
    scripts = traffic(
        ("anna", request("GET", "/me"), answer(200, {"email": "bert@example.org"})),
        ("bert", request("POST", "/login", {"email": "bert@example.org"}), answer(200, {"ok": True})),
    )
    assert borrowed(scripts["bert"]) == []


@pytest.mark.parametrize("name", [UUID, "winter-books"])
def test_what_another_client_created_under_a_name_of_its_own_is_created_again(name: str) -> None:
    scripts = traffic(
        ("anna", request("PUT", f"/shelves/{name}", {"room": 1}), answer(201)),
        ("bert", request("GET", f"/shelves/{name}"), answer(200, {"room": 1})),
    )
    assert borrowed(scripts["bert"]) == [("anna", "PUT /shelves/{}")]
    sent, player = replay(scripts["bert"])
    assert sent[0].target == sent[1].target != f"/shelves/{name}"
    assert player.notes == []


def test_a_list_of_what_was_there_before_is_read_again() -> None:
    scripts = traffic(
        ("anna", request("GET", "/products"), answer(200, [{"id": UUID, "name": "cup"}])),
        ("bert", request("POST", "/baskets", {"product": UUID}), answer(201, {"n": 1})),
    )
    assert borrowed(scripts["bert"]) == [("anna", "GET /products")]
    sent, _ = replay(scripts["bert"], products=answer(200, [{"id": UUID2, "name": "cup"}]))
    assert UUID2.encode() in sent[1].body


def test_what_would_take_too_much_is_left_out_and_reported() -> None:
    chain: list[tuple[str, Request, Response]] = []
    values = [f"{number:08x}-6d4e-4e0b-a6a2-6a0d0d1f9f11" for number in range(0x1000001, 0x1000008)]
    before = ""
    for value in values:
        chain.append(
            ("anna", request("POST", "/parts", {"of_id": before} if before else {}), answer(201, {"id": value}))
        )
        before = value
    use = ("bert", request("GET", f"/parts/{before}"), answer(200, {}))
    assert len(borrowed(traffic(*chain, use, most=7)["bert"])) == 7
    script = traffic(*chain, use, most=6)["bert"]
    assert borrowed(script) == []
    told = "\n".join(reports(script))
    assert "issued by POST /parts in session anna" in told
    assert "takes more than 6 exchanges of other sessions" in told


def test_waiting_stays_waiting_on_both_sides() -> None:
    def state(word: str) -> Response:
        return answer(200, {"id": UUID, "state": word, "ticket": TOKEN if word == "done" else ""})

    wait = request("GET", "/jobs/last")
    scripts = traffic(
        ("anna", wait, state("waiting")),
        ("bert", wait, state("waiting")),
        ("anna", wait, state("done")),
        ("bert", wait, answer(200, {"id": UUID, "state": "done"})),
        ("bert", request("GET", f"/tickets/{TOKEN}"), answer(200, {})),
    )
    steps = [(step.lender, step.name, step.waiting is not None) for step in scripts["bert"].steps]
    assert steps == [
        ("anna", "GET /jobs/last", True),
        ("", "GET /jobs/last", True),
        ("", "GET /tickets/{}", False),
    ]


@pytest.mark.parametrize("other", [True, False])
def test_a_rule_for_a_header_fills_the_part_that_was_issued(other: bool) -> None:
    flow = ("POST /login $response.body#/token", "$request.header.Authorization")
    script = traffic(
        ("auth" if other else "shop", LOGIN, answer(200, {"token": "t7"})),
        ("shop", request("GET", "/orders", headers=bearer("t7")), answer(200, [])),
        rules=Rules(flows=(flow,)),
    )["shop"]
    sent, player = replay(script, login=answer(200, {"token": "t8"}))
    assert sent[-1].headers == bearer("t8")
    assert (reports(script), player.notes) == ([], [])
