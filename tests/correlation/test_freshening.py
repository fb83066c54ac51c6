"""Values that the client made up are renewed, consistently, in their shape; everything else stays."""

import base64
import json
import re
import uuid
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.correlation.building import BEGAN, answer, body, play, request, script
from tests.correlation.reference_player import begin
from verifier.correlation import Rules
from verifier.correlation.execution.compiler import Compiler
from verifier.correlation.model import Slot
from verifier.correlation.text.classes import EMAIL, is_unique
from verifier.correlation.text.times import moment
from verifier.http.message import Request, header

KEY = "6f1c2d3e-4b5a-4c7d-8e9f-0a1b2c3d4e5f"


def test_one_value_is_the_same_everywhere_in_a_replay_and_differs_between_replays() -> None:
    made = script(
        (request("POST", "/orders", {"request_id": KEY, "note": f"for order-{KEY}"}, (("Idempotency-Key", KEY),)),
         answer(201, {"id": 1, "echo": KEY})),
        (request("GET", f"/requests/{KEY}?again={KEY}"), answer(200, {"key": KEY})),
    )  # fmt: skip
    seen = set()
    for seed in range(20):
        sent, player = play(made, answer(201, {"id": 1, "echo": "whatever"}), seed=seed)
        key = header(sent[0].headers, "idempotency-key") or ""
        assert uuid.UUID(key).version == 4
        assert body(sent[0]) == {"request_id": key, "note": f"for order-{key}"}
        assert sent[1].target == f"/requests/{key}?again={key}"
        assert player.notes == []
        seen.add(key)
    assert len(seen | {KEY}) == 21


def test_the_same_seed_gives_the_same_values() -> None:
    made = script((request("POST", "/a", {"request_id": KEY}), answer()))
    assert play(made, seed=3)[0] == play(made, seed=3)[0] != play(made, seed=4)[0]


def test_readable_keys_stay_readable_and_touch_nothing_else() -> None:
    made = script(
        (request("POST", "/a", {"n": "attempt-1", "tag": "attempt-1"}, (("Idempotency-Key", "attempt-1"),)), answer()),
        (request("POST", "/a", {"n": 1}, (("idempotency-key", "1"),)), answer()),
    )
    sent, _ = play(made)
    assert re.fullmatch(r"attempt-1-[0-9a-f]{10}", header(sent[0].headers, "idempotency-key") or "")
    assert body(sent[0]) == {"n": "attempt-1", "tag": "attempt-1"}
    assert (header(sent[1].headers, "idempotency-key") or "").isdecimal()
    assert body(sent[1]) == {"n": 1}


def test_addresses() -> None:
    made = script(
        (request("POST", "/users", {"email": "bob@example.com", "cc": "Bob <bob@example.com>"}), answer(201)),
        (request("POST", "/login", {"email": "bob@example.com"}), answer()),
        (request("POST", "/login", {"email": "old@example.com"}), answer()),
    )
    sent, _ = play(made)
    address = body(sent[0])["email"]
    assert address != "bob@example.com"
    assert EMAIL.fullmatch(address) and address.endswith("@example.com")
    assert body(sent[0])["cc"] == f"Bob <{address}>"
    assert body(sent[1])["email"] == address
    # Who logs in without having signed up in the recording has an account already.
    assert body(sent[2])["email"] == "old@example.com"


def test_moments_near_the_recording_are_shifted_in_their_format() -> None:
    given = {
        "iso": "2026-01-02T03:04:06.120Z",
        "offset": "2026-01-02T04:04:06+01:00",
        "plain": "2026-01-02 03:04",
        "seconds": 1767323046,
        "millis": "1767323046500",
        "day": "2026-01-02",
        "birthday": "1990-05-06",
        "contract": "2024-01-02T03:04:06Z",
        "amount": 1234567890,
    }
    made = script((request("POST", "/a", given), answer()))
    sent, _ = play(made, now=BEGAN + 86400 + 60)
    assert body(sent[0]) == {
        "iso": "2026-01-03T03:05:06.120Z",
        "offset": "2026-01-03T04:05:06+01:00",
        "plain": "2026-01-03 03:05",
        "seconds": 1767409506,
        "millis": "1767409506500",
        "day": "2026-01-03",
        "birthday": "1990-05-06",
        "contract": "2024-01-02T03:04:06Z",
        "amount": 1234567890,
    }


def test_without_a_known_time_no_moment_is_shifted() -> None:
    made = script((request("POST", "/a", {"at": "2026-01-02T03:04:06Z"}), answer()), began=0.0)
    assert body(play(made)[0][0]) == {"at": "2026-01-02T03:04:06Z"}


def test_a_moment_from_an_answer_is_followed() -> None:
    made = script(
        (request("POST", "/a"), answer(200, {"created": "2026-01-02T03:04:05.120Z"})),
        (request("GET", "/a?since=2026-01-02T03%3A04%3A05.120Z"), answer()),
    )
    sent, _ = play(made, answer(200, {"created": "2030-01-01T00:00:00.000Z"}))
    assert sent[1].target == "/a?since=2030-01-01T00%3A00%3A00.000Z"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iban", "DE89370400440532013000"),
        ("sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ("sku", "SKU12345678AB99CD"),
        ("password", "k9Xv2Lq8Zt4Rw7Yp"),
        ("currency", "EUR"),
        ("quantity", 2),
        ("title", "A long title of 3 words"),
        ("phone", "+491701234567"),
    ],
)
def test_what_has_a_meaning_of_its_own_stays(field: str, value: object) -> None:
    made = script((request("POST", "/a", {field: value}), answer(201)))
    sent, player = play(made)
    assert body(sent[0]) == {field: value}
    assert player.notes == []


def test_a_reference_to_something_older_is_reported_and_an_own_id_is_renewed() -> None:
    made = script((request("POST", "/orders", {"customer_id": KEY}), answer(201)))
    assert made.steps[0].unmatched
    assert body(play(made)[0][0]) == {"customer_id": KEY}
    made = script((request("POST", "/orders", {"order_id": KEY, "id": str(uuid.UUID(int=5, version=4))}), answer(201)))
    assert not made.steps[0].unmatched
    assert body(play(made)[0][0])["order_id"] != KEY


@pytest.mark.parametrize(
    ("told", "sent"),
    [("", False), ("/alerts/{}/note", False), ("http://shop:8080/alerts/{}/note/", False), ("/alerts/{}/note/3", True)],
)
def test_a_put_that_creates_something_elsewhere_names_an_action(told: str, sent: bool) -> None:
    """Only a response that says where the thing is tells that the path is not its name."""
    location = (("Location", told.format(KEY)),) if told else ()
    made = script(
        (request("POST", "/alerts", {"text": "full"}), answer(201, {"id": KEY})),
        (request("PUT", f"/alerts/{KEY}/note", {"text": "seen"}), answer(201, {"text": "seen"}, location)),
    )
    requests, _ = play(made, answer(201, {"id": KEY}))
    assert (requests[1].target == f"/alerts/{KEY}/note") is sent


def test_names_under_which_the_client_created_something() -> None:
    made = script(
        (request("PUT", "/buckets/blog", {"theme": "blog"}), answer(201, {"id": "blog"})),
        (request("POST", "/buckets/blog/files", {"bucket": "blog", "kind": "blog"}), answer(201, {"id": 1})),
        (request("POST", "/users", {"username": "bob", "role": "bob"}), answer(201)),
        (request("POST", "/login", {"username": "bob"}), answer()),
    )
    sent, _ = play(made)
    name = sent[0].target.removeprefix("/buckets/")
    assert re.fullmatch(r"blog-[0-9a-f]{10}", name)
    assert body(sent[0]) == {"theme": "blog"}
    assert sent[1].target == f"/buckets/{name}/files"
    assert body(sent[1]) == {"bucket": name, "kind": "blog"}
    user = body(sent[2])["username"]
    assert user != "bob" and body(sent[2])["role"] == "bob" and body(sent[3]) == {"username": user}
    # The twin: what was there before is not created, so its name stays.
    kept = script(
        (request("PUT", "/settings/theme", {"v": 1}), answer(200)), (request("GET", "/settings/theme"), answer())
    )
    assert [item.target for item in play(kept)[0]] == ["/settings/theme"] * 2


@pytest.mark.parametrize("found", [True, False])
def test_a_name_under_which_what_a_post_made_is_found_later(found: bool) -> None:
    found_or_not = answer(200 if found else 404)
    made = script(
        (request("POST", "/features", {"name": "new-checkout", "group": "new-checkout"}), answer(201)),
        (request("POST", "/features", {"name": "new-checkout"}), answer(409)),
        (request("GET", "/features/new-checkout"), found_or_not),
        (request("POST", "/archive/revive/new-checkout"), answer(200)),
        (request("PUT", "/features/new-checkout", {"name": "new-checkout", "text": "new-checkout"}), found_or_not),
    )
    sent, player = play(made)
    assert body(sent.pop()) == {"name": body(sent[0])["name"], "text": "new-checkout"}
    name = body(sent[0])["name"]
    assert re.fullmatch(r"new-checkout-[0-9a-f]{10}" if found else "new-checkout", name)
    assert body(sent[0])["group"] == "new-checkout" and body(sent[1])["name"] == name
    assert [item.target for item in sent[2:]] == [f"/features/{name}", f"/archive/revive/{name}"]
    assert player.notes == []


def test_a_plain_word_is_a_name_only_where_it_is_found() -> None:
    made = script(
        (request("POST", "/features", {"name": "archive"}), answer(201)),
        (request("GET", "/features/archive"), answer(200)),
        (request("GET", "/archive/revive"), answer(200)),
    )
    sent, _ = play(made)
    assert sent[1].target == "/features/" + body(sent[0])["name"] != "/features/archive"
    assert sent[2].target == "/archive/revive"


def test_declared_values() -> None:
    pairs = [
        (request("POST", "/a", {"request_id": KEY, "name": "blue"}), answer()),
        (request("GET", "/b?x=blue"), answer()),
    ]
    sent, _ = play(script(*pairs, rules=Rules(keep=(KEY,), fresh=("blue",))))
    assert body(sent[0])["request_id"] == KEY
    name = body(sent[0])["name"]
    assert name.startswith("blue-") and sent[1].target == f"/b?x={name}"
    sent, _ = play(
        script(*pairs, rules=Rules(keep=("POST /a $request.body#/request_id",), fresh=("$request.query.x",)))
    )
    name = body(sent[0])["name"]  # a rule for a place renews its value wherever it appears
    assert body(sent[0]) == {"request_id": KEY, "name": name}
    assert name.startswith("blue-") and sent[1].target == f"/b?x={name}"


def test_a_rule_for_a_place_renews_its_value_in_whatever_surrounds_it() -> None:
    made = script(
        (request("POST", "/x", {"ref": "blue", "count": 1}), answer(200)),
        (request("GET", "/x/blue?f=ref%3D%27blue%27&page=1"), answer(200, {"ref": "blue"})),
        (request("POST", "/y", {"text": json.dumps({"ref": "blue"}), "blues": "bluest"}), answer(200)),
        rules=Rules(fresh=("POST /x $request.body#/ref", "POST /x $request.body#/count")),
    )
    sent, _ = play(made)
    name = body(sent[0])["ref"]
    assert name.startswith("blue-") and body(sent[0])["count"] != 1
    assert sent[1].target == f"/x/{name}?f=ref%3D%27{name}%27&page=1", "a small number elsewhere is another one"
    assert json.loads(body(sent[2])["text"]) == {"ref": name} and body(sent[2])["blues"] == "bluest"


PASSWORD = "redacted-0123456789abcdef01234567"


@pytest.mark.parametrize("field", ["handle", "callsign", "nick"])
@pytest.mark.parametrize("status", [200, 201, 303])
def test_the_name_of_an_account_is_renewed_whatever_its_field_is_called(field: str, status: int) -> None:
    given = {field: "anna77", "display": "Anna", "realm": "shop", "password": PASSWORD}
    pair = base64.b64encode(f"anna77:{PASSWORD}".encode()).decode()
    made = script(
        (request("POST", "/signup", given), answer(status)),
        (request("POST", "/login", {field: "anna77", "realm": "shop", "password": PASSWORD}), answer(200)),
        (request("GET", "/people/anna77", None, (("Authorization", f"Basic {pair}"),)), answer(200)),
    )
    sent, player = play(made)
    name = body(sent[0])[field]
    assert name.startswith("anna77-") and body(sent[0]) == given | {field: name}
    assert body(sent[1]) == {field: name, "realm": "shop", "password": PASSWORD}
    assert sent[2].target == f"/people/{name}"
    assert base64.b64decode((header(sent[2].headers, "authorization") or "")[6:]).decode() == f"{name}:{PASSWORD}"
    assert player.notes == []


def test_the_name_of_an_account_in_a_form() -> None:
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    made = script(
        (request("POST", "/join", "callsign=anna+7&pw=x", form), answer(303)),
        (request("POST", "/sign-in", "callsign=anna+7&pw=x", form), answer(303)),
    )
    sent, _ = play(made)
    assert re.fullmatch(rb"callsign=anna\+7-[0-9a-f]{10}&pw=x", sent[0].body) and sent[1].body == sent[0].body


@pytest.mark.parametrize("status", [201, 403])
def test_a_secret_that_a_sign_up_sets_is_the_client_s_own(status: int) -> None:
    made = script(
        (request("POST", "/accounts", {"key": PASSWORD}), answer(status)),
        (request("GET", "/mine", None, (("X-Key", PASSWORD),)), answer(200)),
    )
    assert any(step.unmatched for step in made.steps) == (status == 403)


def test_the_names_of_a_login_alone_stay() -> None:
    made = script((request("POST", "/login", {"handle": "anna77"}), answer(200)))
    assert body(play(made)[0][0]) == {"handle": "anna77"}


# What `uuid4().hex[:4]` and `[:8]` give: now and then digits alone, letters alone, or many equal ones.
@pytest.mark.parametrize("drawn", ["4f76", "4f761a2b", "40761225", "deadbeef", "4f4f1a1b"])
@pytest.mark.parametrize("status", [200, 201])
def test_a_name_with_a_drawn_part_is_renewed_in_any_encoding(drawn: str, status: int) -> None:
    name = f"model-{drawn}"
    expression = f"name='{name}' and stage='live'"
    coded = base64.b64encode(json.dumps({"name": name}).encode()).decode().rstrip("=")
    made = script(
        (request("POST", "/models/create", {"name": name}), answer(status, {"model": {"name": name}})),
        (request("GET", f"/models?filter={quote(expression, safe='')}"), answer(200, {"models": [{"name": name}]})),
        (request("GET", f"/models?filter={quote(expression, safe=chr(39) + '=')}"), answer(200)),
        (request("POST", "/query", {"where": json.dumps({"name": name})}), answer(200)),
        (request("GET", f"/state?at={coded}"), answer(200)),
        (request("DELETE", f"/models/{name}"), answer(204)),
    )
    for seed in range(5):
        sent, player = play(made, seed=seed)
        new = body(sent[0])["name"]
        assert new != name and new.startswith("model-")
        assert unquote(sent[1].target) == f"/models?filter={expression.replace(name, new)}" == unquote(sent[2].target)
        assert "='" in sent[2].target
        assert json.loads(body(sent[3])["where"]) == {"name": new}
        state = sent[4].target.partition("at=")[2]
        assert json.loads(base64.b64decode(state + "=" * (-len(state) % 4))) == {"name": new}
        assert sent[5].target == f"/models/{new}"
        assert player.notes == []


@pytest.mark.parametrize("word", ["273a8e66", "44a04a0e", "1111ab2c", "f00d00f1", "9E9E9E1C"])
def test_a_hex_word_of_eight_digits_is_as_unique_as_the_next(word: str) -> None:
    """Whichever of its digits come twice: one in a page is followed into the request that asks for it."""
    assert is_unique(word)
    assert not is_unique("deadline"), "a word"
    assert not is_unique("11111aaa"), "a pattern"


def test_a_drawn_word_that_stands_in_several_texts_is_one_word() -> None:
    made = script(
        (request("POST", "/runs", {"label": "exp-4f761a2b", "tag": "4f761a2b"}), answer(201, {"id": 1})),
        (request("GET", "/runs?like=%254f761a2b%25"), answer(200)),
        (request("POST", "/runs", {"label": "run-4f761a2b"}, (("Idempotency-Key", "put-4f761a2b-1"),)), answer(201)),
    )
    sent, player = play(made)
    word = body(sent[0])["tag"]
    assert word != "4f761a2b" and body(sent[0])["label"] == f"exp-{word}"
    assert sent[1].target == f"/runs?like=%25{word}%25" and body(sent[2])["label"] == f"run-{word}"
    assert header(sent[2].headers, "idempotency-key") == f"put-{word}-1"
    assert player.notes == []


@pytest.mark.parametrize("name", ["report-20260102", "item-12345678", "box-10000000", "lot-00001234", "model-2024"])
def test_numbers_of_people_in_a_name_are_not_drawn(name: str) -> None:
    made = script((request("POST", "/a", {"label": name}), answer(201)))
    assert body(play(made)[0][0]) == {"label": name}


def renewed(value: str, key: str) -> str:
    """One value renewed, by the compiled way and by the plain one."""
    slots = [Slot(value, fresh=True)]
    compiler = Compiler()
    name = compiler.begin(slots)
    (new,) = compiler.finish()[name](key, 0.0)
    assert [new] == begin(slots, key, 0.0)
    return str(new)


@given(st.integers(0, 2**128 - 1), st.integers(0, 1000), st.booleans())
def test_a_uuid_stays_one(number: int, seed: int, upper: bool) -> None:
    old = uuid.UUID(int=number, version=4)
    text = str(old).upper() if upper else str(old)
    new = renewed(text, str(seed))
    assert uuid.UUID(new).version == 4 and len(new) == 36
    assert new.lower() != text.lower()
    assert new == (new.upper() if any(letter in "ABCDEF" for letter in text) else new.lower())


@given(st.from_regex(r"[a-z]{3,8}-[0-9a-f]{12}", fullmatch=True), st.integers(0, 1000))
def test_shape_is_kept(value: str, seed: int) -> None:
    new = renewed(value, str(seed))
    assert new.partition("-")[0] == value.partition("-")[0]
    assert new != value


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
    st.integers(-(10**7), 10**7),
    st.sampled_from([0, 3, 6, 9]),
)
def test_shifting_is_adding(when: datetime, seconds: int, digits: int) -> None:
    when = when.replace(tzinfo=UTC)
    text = when.strftime("%Y-%m-%dT%H:%M:%S") + (f".{when.microsecond:06d}000"[: digits + 1] if digits else "") + "Z"
    found = moment(text)
    assert found is not None
    moved = moment(found.shifted(seconds))
    assert moved is not None
    assert abs(moved.seconds - found.seconds - seconds) < 1e-5
    assert len(moved.text) == len(text)
    assert found.shifted(0) == text


@pytest.mark.parametrize(
    "text", ["2026-13-45T00:00:00Z", "12345", "9999999999999999999", "Fri, 99 Jan 2026 00:00:00 GMT", ""]
)
def test_what_is_no_moment(text: str) -> None:
    found = moment(text)
    assert found is None or found.kind == "epoch"


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
    st.integers(-(10**7), 10**7),
    st.sampled_from(["Z", "", "+0130", "-0700"]),
)
def test_shifting_the_basic_format_is_adding_too(when: datetime, seconds: int, zone: str) -> None:
    text = when.strftime("%Y%m%dT%H%M%S") + zone
    found = moment(text)
    assert found is not None and found.kind == "basic"
    assert found.seconds == datetime.fromisoformat(when.strftime("%Y-%m-%dT%H:%M:%S") + (zone or "Z")).timestamp()
    moved = moment(found.shifted(seconds))
    assert moved is not None
    assert moved.seconds - found.seconds == seconds
    assert len(moved.text) == len(text) and moved.text.endswith(zone)


def test_moments_in_calendars_are_no_random_tokens() -> None:
    def event(stamp: str, start: str) -> bytes:
        return f"BEGIN:VEVENT\r\nDTSTAMP:{stamp}\r\nDTSTART:{start}\r\nEND:VEVENT\r\n".encode()

    headers = (("Content-Type", "text/calendar"),)
    sent_once = Request("PUT", "/calendar/a", headers, event("20260102T030406Z", "20240301T103000Z"))
    made = script((sent_once, answer(204)))
    # The stamp is of the day of the recording and moves along; the meeting of another year stays.
    assert play(made, now=BEGAN + 86400 + 60)[0][0].body == event("20260103T030506Z", "20240301T103000Z")


def test_what_the_client_made_up_is_renewed_beside_what_an_answer_gave() -> None:
    own, given = "9c1185a5c5e9fc54612808977ee8f548", "b6d767d2f8ed5d21a44b0e5886680cb9"

    def text(name: str, parent: str) -> bytes:
        return f"UID:{name}\r\nX-PARENT:{parent}\r\n".encode()

    plain = (("Content-Type", "text/plain"),)
    made = script(
        (Request("POST", "/notes", plain, text(own, "none")), answer(200, {"revision": given})),
        (Request("POST", "/notes", plain, text(own, given)), answer(200)),
    )
    later = "c51ce410c124a10e0db5e4b97fc2af39"
    sent, _ = play(made, answer(200, {"revision": later}))
    new = sent[0].body.split()[0].removeprefix(b"UID:").decode()
    assert new != own and re.fullmatch("[0-9a-f]{32}", new)
    assert [item.body for item in sent] == [text(new, "none"), text(new, later)]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("meeting.ics", r"meeting-[0-9a-f]{10}\.ics"),
        ("left-pad-1.0.0.tgz", r"left-pad-1\.0\.0-[0-9a-f]{10}\.tgz"),
        ("backup.tar.gz", r"backup-[0-9a-f]{10}\.tar\.gz"),
        ("release-1.0", r"release-1\.0-[0-9a-f]{10}"),
        (".profile", r"\.profile-[0-9a-f]{10}"),
    ],
)
def test_files_keep_their_extension(name: str, pattern: str) -> None:
    new = renewed(name, "key")
    assert re.fullmatch(pattern, new), new


def test_http_dates() -> None:
    found = moment("Fri, 02 Jan 2026 03:04:05 GMT")
    assert found is not None
    assert found.shifted(86400) == "Sat, 03 Jan 2026 03:04:05 GMT"


def test_templates_do_not_disturb_json() -> None:
    made = script((request("POST", "/a", {"request_id": KEY, "text": 'quo"te \u20ac'}), answer()))
    assert json.loads(play(made)[0][0].body)["text"] == 'quo"te \u20ac'


def test_an_address_that_answers_repeat_stays_the_client_s() -> None:
    address = "ben.a8ce8a7c0d@example.org"
    made = script(
        (request("POST", "/orders", {"customer": address}), answer(201, {"id": KEY, "customer": address})),
        (request("GET", f"/orders/{KEY}"), answer(200, {"customer": address})),
        (request("GET", "/orders?customer=ben.a8ce8a7c0d%40example.org"), answer(200, [])),
    )
    assert made.steps[1].produces == ()
    sent, _ = play(made)
    new = body(sent[0])["customer"]
    assert new != address and len(new) == len(address)
    assert sent[2].target == f"/orders?customer={new.replace('@', '%40')}"


def test_a_whole_thing_put_under_a_random_name() -> None:
    twin = (("If-Match", '"abc"'),)
    made = script(
        (request("PUT", f"/notes/{KEY}", {"text": "a"}), answer(200)), (request("GET", f"/notes/{KEY}"), answer())
    )
    sent, player = play(made)
    assert sent[0].target == sent[1].target != f"/notes/{KEY}"
    assert player.notes == []
    made = script((request("PUT", f"/notes/{KEY}", {"text": "a"}, twin), answer(200)))
    assert made.steps[0].unmatched
    assert play(made)[0][0].target == f"/notes/{KEY}"
