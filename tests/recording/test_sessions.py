"""Which exchanges belong to one user."""

from verifier.http.message import Headers, Request, Response
from verifier.recording.model import Exchange
from verifier.recording.sessions import ParsedExchange, group


def found(number: int, sent: Headers = (), answered: Headers = (), body: bytes = b"", **signs: str) -> ParsedExchange:
    exchange = Exchange(Request("GET", "/", sent), Response(200, answered, body), "h", float(number), 0.0, number)
    return ParsedExchange(exchange, **signs)  # type: ignore[arg-type]


def numbers(items: list[ParsedExchange], header: str | None = None) -> dict[str, list[int]]:
    return {session.id: [exchange.line for exchange in session.exchanges] for session in group(items, header)}


def test_without_signs_there_is_one_session() -> None:
    assert numbers([found(1), found(2)]) == {"s1": [1, 2]}


def test_named_sessions_keep_their_names() -> None:
    items = [found(1, session="b"), found(2, session="a"), found(3, session="b")]
    assert numbers(items) == {"b": [1, 3], "a": [2]}


def test_a_declared_header_tells_users_apart() -> None:
    items = [found(1, (("X-User", "1"),)), found(2, (("x-user", "2"),)), found(3, (("X-User", "1"),))]
    assert numbers(items, "X-User") == {"s1": [1, 3], "s2": [2]}
    assert numbers(items) == {"s1": [1, 2, 3]}


def test_the_answer_that_sets_a_cookie_belongs_to_who_sends_it() -> None:
    items = [
        found(1, answered=(("Set-Cookie", "sid=aaaaaaaaaa; Path=/"),)),
        found(2, answered=(("Set-Cookie", "sid=bbbbbbbbbb; Path=/"),)),
        found(3, (("Cookie", "lang=en; sid=aaaaaaaaaa"),)),
        found(4, (("Cookie", "lang=en; sid=bbbbbbbbbb"),), (("Set-Cookie", "sid=cccccccccc"),)),
        found(5, (("Cookie", "lang=en; sid=cccccccccc"),)),
    ]
    assert numbers(items) == {"s1": [1, 3], "s2": [2, 4, 5]}


def test_the_answer_that_issues_a_token_belongs_to_who_presents_it() -> None:
    items = [
        found(1, body=b'{"token": "first-token-1"}'),
        found(2, body=b'{"token": "second-token-2"}'),
        found(3, (("Authorization", "Bearer second-token-2"),)),
        found(4, (("Authorization", "Bearer first-token-1"),)),
    ]
    assert numbers(items) == {"s1": [1, 4], "s2": [2, 3]}


def test_users_with_basic_credentials() -> None:
    items = [found(number, (("Authorization", f"Basic {user}"),)) for number, user in enumerate("abab", 1)]
    assert numbers(items) == {"s1": [1, 3], "s2": [2, 4]}


def test_clients_and_connections() -> None:
    items = [
        found(1, client="10.0.0.1"),
        found(2, client="10.0.0.2"),
        found(3, (("Authorization", "Bearer token-of-one"),), client="10.0.0.1"),
        found(4, client="10.0.0.2"),
    ]
    assert numbers(items) == {"s1": [1, 3], "s2": [2, 4]}
    items = [
        found(1, (("Authorization", "Bearer token-of-one"),), connection="7"),
        found(2, (("Authorization", "Bearer token-of-two"),), connection="8"),
        found(3, connection="8"),
    ]
    assert numbers(items) == {"s1": [1], "s2": [2, 3]}


def test_an_anonymous_start_joins_the_only_user() -> None:
    assert numbers([found(1), found(2, (("Authorization", "Bearer abcdefghijk"),))]) == {"s1": [1, 2]}


def test_a_browser_is_one_user_whatever_its_cookies_do() -> None:
    items = [
        ParsedExchange(found(1, (("Cookie", "sid=aaaaaaaaaa"),)).exchange, browser=True),
        ParsedExchange(found(2, (("Cookie", "sid=bbbbbbbbbb"),)).exchange, browser=True),
    ]
    assert numbers(items) == {"s1": [1, 2]}


def test_made_up_names_do_not_meet_given_ones() -> None:
    items = [found(1), found(2, session="s1")]
    assert sorted(map(tuple, numbers(items).values())) in ([(1, 2)], [(1,), (2,)])
    assert len(set(numbers(items))) == len(numbers(items))
