"""Flows planted in random sessions are all recovered, and nothing else is touched.

A server is played twice with different values: once to make the recording, once to answer the replay. What the
client must then send is known exactly: the same requests, built from the second run's values.
"""

import base64
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.correlation.building import BEGAN, JSON, playing, session
from verifier.correlation import learn
from verifier.http.message import Headers, Request, Response

NOUNS = ["orders", "carts", "payments", "tickets", "folders"]
DECOYS: list[Any] = [1, 2, True, "EUR", "pending", "true", "1", "standard", 0, None, 1.5, "GB"]
NAMES = ["currency", "quantity", "status", "kind", "priority", "enabled", "country"]

Values = dict[str, str]


def uuid_value(draw: random.Random) -> str:
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))


def with_a_digit(make: Callable[[], str]) -> str:
    """Without any digit it could as well be words."""
    value = make()
    while not any(letter.isdigit() for letter in value):
        value = make()
    return value


def token_value(draw: random.Random) -> str:
    """Twenty-four letters, digits, dashes."""
    return with_a_digit(lambda: base64.urlsafe_b64encode(draw.randbytes(18)).decode())


def short_value(draw: random.Random) -> str:
    return str(draw.randrange(1, 60))


def long_value(draw: random.Random) -> str:
    return "ord_" + with_a_digit(lambda: draw.randbytes(6).hex())


STRONG: dict[str, Callable[[random.Random], str]] = {"uuid": uuid_value, "token": token_value, "long": long_value}
MAKERS = {**STRONG, "short": short_value}


@dataclass(frozen=True)
class Flow:
    noun: str
    number: int
    kind: str
    place: str  # in the answer
    uses: tuple[str, ...]  # in later requests
    depth: int

    @property
    def key(self) -> str:
        return f"{self.noun}{self.number}"


PLACES = ["body", "body", "number", "location", "header", "cookie", "html", "composed"]
USES = ["path", "query", "json", "form", "header", "base64", "string", "composed", "url", "array"]


@st.composite
def flows(draw: st.DrawFn) -> list[Flow]:
    nouns = draw(st.lists(st.sampled_from(NOUNS), min_size=1, max_size=4, unique=True))
    found = []
    for number, noun in enumerate(nouns):
        kind = draw(st.sampled_from(list(MAKERS)))
        # Short values can only be followed by their names.
        places = ["body", "number", "location"] if kind == "short" else PLACES
        uses = ["path", "path", "json", "string"] if kind == "short" else USES
        place = draw(st.sampled_from(places))
        place = "body" if place == "number" and kind != "short" else place
        chosen = draw(st.lists(st.sampled_from(uses), min_size=1, max_size=3))
        found.append(Flow(noun, number, kind, place, tuple(chosen), draw(st.integers(0, 3))))
    return found


def decoys(rng: random.Random) -> dict[str, Any]:
    return {name: rng.choice(DECOYS) for name in rng.sample(NAMES, 3)}


def nested(name: str, value: Any, depth: int, rng: random.Random) -> Any:
    """`{name: value}` inside wrappers, with decoys beside it at every level."""
    inner: Any = {**decoys(rng), name: value}
    for level in range(depth):
        inner = {**decoys(rng), ("data", "result", "attributes")[level]: inner}
    return inner


def creating(flow: Flow, values: Values, shape: random.Random) -> tuple[Request, Response]:
    """The exchange in which the server makes the value up."""
    value = values[flow.key]
    headers: Headers = ()
    sent = Request("POST", f"/{flow.noun}", (JSON,), json.dumps(decoys(shape)).encode())
    if flow.place == "html":
        page = (
            f'<form action="/x"><input name="a" value="1"><input type=hidden name={flow.noun} value="{value}"></form>'
        )
        return sent, Response(200, (("Content-Type", "text/html"),), page.encode())
    content: Any = decoys(shape)
    if flow.place == "body":
        content = nested("id", value, flow.depth, shape)
    elif flow.place == "number":
        content = nested("id", int(value), flow.depth, shape)
    elif flow.place == "location":
        headers = (("Location", f"http://shop:8080/v1/{flow.noun}/{value}?x=1"),)
    elif flow.place == "header":
        headers = (("X-Resource", value),)
    elif flow.place == "cookie":
        headers = (("Set-Cookie", f"{flow.noun}={value}; Path=/; HttpOnly"),)
    elif flow.place == "composed":
        content = nested("urn", f"urn:{flow.noun}:{value}", flow.depth, shape)
    return sent, Response(201, (JSON, *headers), json.dumps(content).encode())


def using(flow: Flow, use: str, values: Values, shape: random.Random) -> Request:
    """A later request that carries the value."""
    value, single = values[flow.key], flow.noun.removesuffix("s")
    around = decoys(shape)
    body: Any = None
    target, headers = f"/{flow.noun}/1234567/{use}", ()
    if use == "path":
        return Request("GET", f"/v1/{flow.noun}/{quote(value, safe='')}?limit=1&currency=EUR")
    if use == "query":
        return Request("GET", f"/search?q=1&{single}={quote_plus(value)}&limit=2")
    if use == "header":
        return Request("GET", "/search", (("X-Ref", f"ref {value}"), ("Accept", "1")))
    if use == "form":
        text = f"a=1&{single}_id={quote_plus(value)}&b=true"
        return Request("POST", "/forms", (("Content-Type", "application/x-www-form-urlencoded"),), text.encode())
    if use == "json":
        number = flow.place == "number"
        body = {**around, "lines": [{"n": 1}, {f"{single}_id": int(value) if number else value, "quantity": 2}]}
    elif use == "array":
        body = {**around, "all": ["1", "EUR", value, True]}
    elif use == "base64":
        body = {**around, "state": base64.b64encode(f"{flow.noun}|{value}|done".encode()).decode()}
    elif use == "string":
        body = {**around, "payload": json.dumps({**around, f"{single}Id": value, "n": "1"})}
    elif use == "composed":
        body = {**around, "note": f"see {single}-{value}, thanks (1 of 2)"}
    elif use == "url":
        body = {**around, "next": f"http://shop:8080/{flow.noun}/{quote(value, safe='')}/items?page=1"}
    return Request("POST", target.replace("1234567/", ""), (JSON, *headers), json.dumps(body).encode())


def played(planted: list[Flow], values: Values, seed: int) -> list[tuple[Request, Response]]:
    """The whole session with one run's values; `seed` fixes everything else: the order, the decoys, the echoes."""
    rng = random.Random(seed)
    waiting = [[(flow, use) for use in flow.uses] for flow in planted]
    pairs = []
    for flow in planted if rng.random() < 0.5 else []:
        pairs.append(creating(flow, values, random.Random(f"{seed}/{flow.number}")))
    made = {flow.key for flow in planted} if pairs else set()
    number = 0
    while any(waiting):
        queue = rng.choice([queue for queue in waiting if queue])
        flow, use = queue.pop(0)
        if flow.key not in made:
            made.add(flow.key)
            pairs.append(creating(flow, values, random.Random(f"{seed}/{flow.number}")))
        number += 1
        shape = random.Random(f"{seed}/use {number}")
        echo = {"kind": "EUR", "n": 1, "id": values[flow.key]} if rng.random() < 0.5 else {"kind": "EUR", "n": 1}
        pairs.append((using(flow, use, values, shape), Response(200, (JSON,), json.dumps(echo).encode())))
    return pairs


def unlike(planted: list[Flow], seed: int, other: Values | None = None) -> Values:
    """Values for one run; short ones may be equal across collections, as ids of different tables are."""
    rng = random.Random(seed)
    values = {}
    for flow in planted:
        value = MAKERS[flow.kind](rng)
        while other is not None and value == other[flow.key]:
            value = MAKERS[flow.kind](rng)
        values[flow.key] = value
    return values


@given(planted=flows(), seed=st.integers(0, 10**6))
@settings(max_examples=300, deadline=None)
def test_every_planted_flow_is_recovered_and_no_decoy_is_touched(planted: list[Flow], seed: int) -> None:
    recorded = unlike(planted, seed)
    replayed = unlike(planted, seed + 1, recorded)
    script = learn(session(*played(planted, recorded, seed)), began=BEGAN)
    player = playing(script, "0", BEGAN)
    for index, (wanted, answered) in enumerate(played(planted, replayed, seed)):
        sent = player.request(index)
        assert (sent.method, sent.target, sent.headers) == (wanted.method, wanted.target, wanted.headers)
        assert sent.body == wanted.body
        player.learn(index, answered)
    assert player.notes == []


@given(planted=flows(), seed=st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_the_same_answers_give_the_same_requests(planted: list[Flow], seed: int) -> None:
    pairs = played(planted, unlike(planted, seed), seed)
    script = learn(session(*pairs), began=BEGAN)
    player = playing(script, "0", BEGAN)
    for index, (wanted, answered) in enumerate(pairs):
        assert player.request(index) == wanted
        player.learn(index, answered)
    assert player.notes == []
