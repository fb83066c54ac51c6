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


def exchange(
    number: int, target: str, connection: str, *, method: str = "GET", body: bytes = b"", sent: bytes = b"",
    at: float = -1.0, took: float = 0.1, headers: Headers = (), client: str = "127.0.0.1",
) -> ParsedExchange:  # fmt: skip
    """One of a client without credentials, as the recorder keeps it."""
    request, response = Request(method, target, headers, sent), Response(200, (), body)
    made = Exchange(request, response, "h", float(number) if at < 0 else at, took, number)
    return ParsedExchange(made, client=client, connection=connection)


def test_clients_without_credentials_are_told_apart_by_connection() -> None:
    items = [exchange(number, f"/x/{number}", "78"[number % 2]) for number in range(1, 7)]
    assert numbers(items) == {"s1": [1, 3, 5], "s2": [2, 4, 6]}


def test_a_connection_that_goes_on_with_what_another_was_told_is_the_same_client() -> None:
    items = [
        exchange(1, "/orders", "1", method="POST", body=b'{"id": 17}'),
        exchange(2, "/orders", "2", method="POST", body=b'{"id": 18, "key": "k-4f761a2b"}'),
        exchange(3, "/orders/17", "1"),
        exchange(4, "/orders/18", "2"),
        exchange(5, "/orders/17/lines", "3"),
        exchange(6, "/orders/17/lines", "3"),
        exchange(7, "/search", "4", sent=b"k-4f761a2b"),
        exchange(8, "/search", "4"),
    ]
    assert numbers(items) == {"s1": [1, 3, 5, 6], "s2": [2, 4, 7, 8]}


def test_what_everybody_reads_makes_nobody_the_same_client() -> None:
    goods = b'[{"sku": "sku-00001"}, {"sku": "sku-00002"}]'
    items = [
        exchange(1, "/goods", "1", body=goods),
        exchange(2, "/goods", "2", body=goods),
        exchange(3, "/goods/sku-00001", "1"),
        exchange(4, "/goods/sku-00001", "2"),
    ]
    assert numbers(items) == {"s1": [1, 3], "s2": [2, 4]}


def test_a_client_with_a_connection_for_each_request_is_one_client() -> None:
    items = [
        exchange(1, "/jobs", "1", method="POST", body=b'{"id": 1}'),
        exchange(2, "/jobs", "2", method="POST", body=b'{"id": 2}'),
        exchange(3, "/jobs/1", "3"),
        exchange(4, "/jobs/2", "4"),
        exchange(5, "/jobs", "5"),
    ]
    assert numbers(items) == {"s1": [1, 2, 3, 4, 5]}
    # The twin: two of them were under way at once, so there are two clients.
    twins = [exchange(1, "/jobs", "1", method="POST", body=b'{"id": 1}', took=1.5), *items[1:]]
    assert numbers(twins) == {"s1": [1, 3], "s2": [2, 4], "s3": [5]}


def test_programs_are_told_apart_by_their_name() -> None:
    agents: list[Headers] = [(("User-Agent", "shop/1"),), (("User-Agent", "stock/2"),)]
    items = [exchange(number, "/x", str(number), headers=agents[number % 2]) for number in range(1, 5)]
    assert numbers(items) == {"s1": [1, 3], "s2": [2, 4]}


def test_one_address_with_a_user_and_others_without_credentials() -> None:
    token = (("Authorization", "Bearer abcdefghijk"),)
    items = [
        exchange(1, "/mine", "2", headers=token),
        exchange(2, "/x", "3"),
        exchange(3, "/more", "2"),
        exchange(4, "/y", "3"),
    ]
    assert numbers(items) == {"s1": [1, 3], "s2": [2, 4]}
    # The twin: alone, it may be the user before the login.
    assert numbers([exchange(1, "/welcome", "1"), exchange(2, "/mine", "2", headers=token)]) == {"s1": [1, 2]}


def test_a_connection_lost_on_the_way_is_made_again_by_the_same_client() -> None:
    items = [exchange(1, "/a", "1"), exchange(2, "/b", "1"), exchange(3, "/c", "2")]
    assert numbers(items) == {"s1": [1, 2, 3]}
