"""What is prepared once and run many times does the same as its plain meaning, for any script and any answers."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.correlation.building import BEGAN, JSON, playing, session
from tests.correlation.reference_player import PlainPlayer, as_json
from verifier.correlation import Rules, Script, learn
from verifier.correlation.execution.json_members import member_reader
from verifier.correlation.text.json import read_json
from verifier.http.message import Headers, Request, Response
from verifier.pointers import MISSING, escape, value_at

# Values that are followed, renewed, shifted, or nothing of the kind.
VALUES = [
    "tok-9f8e7d6c5b4a3f2e", "6f1c2d3e-4b5a-4c7d-8e9f-0a1b2c3d4e5f", "6F1C2D3E-4B5A-1C7D-CE9F-0A1B2C3D4E5F",
    "ord_0a1b2c3d4e5f", "bob.k9xv2lq8zt@example.com", "k9Xv2Lq8Zt4Rw7Yp", "12", "7", "123456789012345678901",
    "2026-01-02T03:04:05.120Z", "1767323046", "pending", "EUR", "attempt-1", "a b&c=d", 'quo"te',
    "\u20acuro 5f8e7d6c5b4a",
]  # fmt: skip
NAMES = ["id", "order_id", "ref", "token", "request_id", "data", "a/b", "m~n", 'q"', "0", "\u00fcber", ""]
SEGMENTS = ["orders", "carts", "v1"]
NEW = ["x\r\ny", "x\0y", "new-5e6f7a8b9c0d", 'a"b\\c', "\u00e9", "", "9"]  # what another run's answers may have instead

Values = st.SearchStrategy[str]


def json_values(value: Values) -> st.SearchStrategy[Any]:
    scalar = (
        value | value | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    )
    return st.recursive(
        scalar,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        max_leaves=8,
    )


def quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def bodies(value: Values) -> st.SearchStrategy[Any]:
    """What services answer and clients send: an identifier, perhaps wrapped, perhaps listed; or any JSON."""
    wrapped = st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "ref", "token", "order_id"), value))
    beside = {"id": value, "n": st.integers(0, 9), 'q"': value, "\u00fcber": value}
    one = st.fixed_dictionaries({"data": wrapped}, optional=beside)
    several = st.fixed_dictionaries({"items": st.lists(wrapped, max_size=3)}, optional={"id": value})
    return wrapped | one | several | json_values(value)


@st.composite
def requests(draw: st.DrawFn, value: Values) -> Request:
    target = f"/{draw(st.sampled_from(SEGMENTS))}"
    if draw(st.booleans()):
        target += f"/{quoted(draw(value))}"
    if draw(st.booleans()):
        target += f"?ref={quoted(draw(value))}&n=1"
    headers: Headers = (JSON,)
    named = draw(st.sampled_from(["", "Idempotency-Key", "X-Ref", "X-Ref", "Authorization"]))
    if named:
        headers += ((named, draw(value).encode("ascii", "ignore").decode()),)
    if draw(st.integers(0, 3)) == 0:
        headers += (("Cookie", "; ".join(f"{name}={quoted(draw(value))}" for name in ("sid", "csrf"))),)
    raw = b""
    if draw(st.booleans()):
        raw = json.dumps(draw(bodies(value)), ensure_ascii=draw(st.booleans())).encode()
    return Request(draw(st.sampled_from(["GET", "POST", "PUT"])), target, headers, raw)


@st.composite
def answers(draw: st.DrawFn, value: Values) -> Response:
    headers: Headers = (("Date", "now"), JSON)
    named = draw(st.sampled_from(["", "", "X-Ref", "Location"]))
    if named:
        text = quoted(draw(value))
        headers += ((named, f"http://shop/orders/{text}" if named == "Location" else text),)
    for name in draw(st.sampled_from([(), (), ("sid",), ("sid", "csrf")])):
        headers += (("Set-Cookie", f"{name}={quoted(draw(value))}; Path=/"),)
    return Response(draw(st.sampled_from([200, 201])), headers, json.dumps(draw(bodies(value))).encode())


@st.composite
def disturbed(draw: st.DrawFn, recorded: Response, pool: list[str]) -> Response:
    """The recorded answer with other values, some of them hostile, or quite another answer."""
    new = {old: draw(st.sampled_from(NEW)) for old in pool}
    text = recorded.body.decode()
    headers = list(recorded.headers)
    for old, replaced in new.items():
        if draw(st.booleans()):
            text = text.replace(json.dumps(old)[1:-1], json.dumps(replaced)[1:-1])
            headers = [(name, given.replace(quoted(old), quoted(replaced))) for name, given in headers]
    other = draw(st.sampled_from(["", "", "", "null", "NaN", "cut", "latin", "other"]))
    if other == "other":
        return draw(answers(st.sampled_from(pool)))
    raw = {"cut": text[:-1], "null": text.replace('"', "null", 1), "NaN": text.replace("null", "NaN")}.get(other, text)
    return Response(recorded.status, tuple(headers), raw.encode("latin-1" if other == "latin" else "utf-8", "replace"))


@st.composite
def replays(draw: st.DrawFn) -> tuple[Script, list[tuple[int, Response | None]]]:
    """A script, and what happens: requests in order, each with an answer or none, some twice."""
    pool = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3, unique=True))
    value = st.sampled_from(pool)
    issuing = st.sampled_from(SEGMENTS).map(lambda segment: Request("POST", f"/{segment}"))
    pairs = draw(st.lists(st.tuples(issuing, answers(value)), max_size=3))
    pairs += draw(st.lists(st.tuples(requests(value), answers(value)), min_size=1, max_size=4))
    began = draw(st.sampled_from([BEGAN, 0.0]))
    script = learn(session(*pairs), began=began, rules=Rules(fresh=draw(st.sampled_from([(), ("pending", "12")]))))
    happened: list[tuple[int, Response | None]] = []
    for index, step in enumerate(script.steps):
        for _ in range(draw(st.sampled_from([1, 1, 2]))):
            given_ = draw(disturbed(step.exchange.response, pool)) if draw(st.integers(0, 5)) else None
            happened.append((index, given_))
    return script, happened


@pytest.mark.slow
@given(replays(), st.text(max_size=5, alphabet="abc/\u00fc"))
@settings(max_examples=200, deadline=None)
def test_a_prepared_replay_is_the_plain_one(replay: tuple[Script, list[tuple[int, Response | None]]], key: str) -> None:
    script, happened = replay
    quick, plain = playing(script, key, BEGAN + 1000.0), PlainPlayer(script, key, BEGAN + 1000.0)
    for index, answered in happened:
        assert quick.request(index) == plain.request(index)
        if answered is not None:
            assert quick.learn(index, answered) == plain.learn(index, answered)
    assert sorted(quick.notes) == sorted(plain.notes)


@pytest.mark.slow
def test_the_property_sees_every_kind_of_step() -> None:
    """What the property compares has holes, renewals, several places for one value, cookies and reports in it."""
    seen: set[str] = set()

    @given(replays())
    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    def look(replay: tuple[Script, list[tuple[int, Response | None]]]) -> None:
        script, happened = replay
        for step in script.steps:
            if step.template is not None:
                seen.update(name for name in ("target", "headers", "body") if getattr(step.template, name))
            seen.update(f"take {extraction.locator.part}" for extraction in step.extractions)
            seen.update("stand-in" for extraction in step.extractions if extraction.rank)
            seen.update("listed" for extraction in step.extractions if extraction.locator.listed)
            seen.update(report.kind for report in (*step.unmatched, *step.ambiguous))
            seen.update(["cookie"] if step.cookie else [])
        seen.update("moment" if slot.moment else "drawn" for slot in script.slots if slot.fresh)
        player = playing(script, "key", BEGAN)
        for index, answered in happened:
            player.request(index)
            if answered is not None:
                player.learn(index, answered)
        seen.update("two values" for _, _, message in player.notes if " may come from " in message)
        seen.update("no value" for _, _, message in player.notes if "no replayed response" in message)

    look()
    wanted = {"target", "headers", "body", "take json", "take header", "stand-in", "listed", "unmatched", "cookie"}
    assert wanted | {"moment", "drawn", "two values", "no value"} <= seen


# ---- JSON

POINTERS = st.lists(st.sampled_from(NAMES), min_size=0, max_size=3).map(
    lambda names: "".join(f"/{escape(name)}" for name in names)
)
RAW = st.sampled_from(
    ["NaN", "-Infinity", "1e999", "-0", "1" * 30, '"\\ud800"', '"\\u00fc"', "[[]]", "01", "1.", '"\n"']
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """JSON, and what is almost JSON."""
    values = json_values(st.sampled_from(VALUES))
    document = draw(values)
    if draw(st.integers(0, 3)):
        document = {"data": document, "id": draw(values)}
    text = json.dumps(document, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    if draw(st.booleans()):
        text = text.replace("null", draw(RAW), 1)
    if draw(st.integers(0, 3)) == 0:  # a member given twice
        text = text.replace("{", f'{{"id": {draw(RAW)}, ', 1)
    body = text.encode(
        draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "latin-1", "utf-16-le", "utf-8-sig"])), "replace"
    )
    if body and draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(body) - 1))
        body = body[:at] + draw(st.binary(max_size=2)) + body[at + draw(st.integers(0, 1)) :]
    return body


def shown(found: Any) -> str:
    """For comparison: NaN is like itself, 1 is not like True or 1.0."""
    return repr(found)


@pytest.mark.slow
@given(documents(), st.lists(POINTERS, min_size=1, max_size=3, unique=True))
@settings(max_examples=800, deadline=None)
def test_single_values_are_those_of_the_whole_document(body: bytes, pointers: list[str]) -> None:
    whole = as_json(body)
    assert shown(read_json(body)) == shown(whole)
    wanted = tuple(value_at(whole, pointer) for pointer in pointers)
    assert shown(member_reader(*pointers)(body)) == shown(wanted if len(wanted) > 1 else wanted[0])


def test_what_is_skipped_is_checked_all_the_same() -> None:
    for spoiled in (b'"\xff"', b'"\\q"', b'"a\nb"', b"01", b"tru"):
        body = b'{"x":%b,"id":"a"}' % spoiled
        assert member_reader("/id")(body) is as_json(body) is MISSING, spoiled


def test_what_is_skipped_may_be_absurd() -> None:
    assert member_reader("/id")(b'{"x":%b,"id":"a"}' % (b"9" * 5000)) == "a"
    assert shown(member_reader("/id")(b'{"x":{"id":1},"id":{"id":[2]}}')) == "{'id': [2]}"
    assert member_reader("/id/id", "/x")(b'{"x":"\xc3\xbc","id":{"id":2}}') == (2, "\u00fc")
