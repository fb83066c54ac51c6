"""Values of XML answers are followed by their elements, whatever stands around them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.correlation.building import play, request, script
from verifier.correlation import Rules
from verifier.correlation.text import xml
from verifier.http.message import Request, Response, header

XML = (("Content-Type", "application/xml; charset=utf-8"),)
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


def listing(token: str, *names: str) -> Response:
    """A WebDAV answer with a token and as many entries as there are names."""
    entries = "".join(f"<D:response><D:href>/calendar/{name}.ics</D:href></D:response>" for name in names)
    text = f'{HEAD}<D:multistatus xmlns:D="DAV:">{entries}<D:sync-token>{token}</D:sync-token></D:multistatus>'
    return Response(207, XML, text.encode())


def asking(token: str) -> Request:
    return Request("REPORT", "/calendar/", XML, f"<sync><sync-token>{token}</sync-token></sync>".encode())


def test_a_token_is_found_again_beside_more_entries_than_were_recorded() -> None:
    made = script(
        (asking(""), listing("http://dav/sync/364ce4273b5e1b39", "a")),
        (asking("http://dav/sync/364ce4273b5e1b39"), listing("http://dav/sync/77aa4ce4273b5e1b", "a")),
    )
    assert made.steps[0].produces == ("$response.body#/xml/multistatus/sync-token",)
    sent, player = play(made, listing("http://dav/sync/fc0d072e0788f54f", "x-1", "y and z", "w"))
    assert sent[1].body == asking("http://dav/sync/fc0d072e0788f54f").body
    assert player.notes == []


def test_what_stands_alone_is_preferred_to_what_stands_in_a_list() -> None:
    tag = '"05beb23fd6cbeb52"'

    def entries(*tags: str) -> Response:
        inside = "".join(f"<entry><etag>{one}</etag></entry>" for one in tags)
        return Response(207, XML, f"<entries>{inside}</entries>".encode())

    def pairs(*listed: str) -> list[tuple[Request, Response]]:
        return [
            (request("PUT", "/calendar/a", {}), Response(200, (("ETag", tag),), b"")),
            (request("PROPFIND", "/calendar/"), entries(*listed)),
            (request("DELETE", "/calendar/a", headers=(("If-Match", tag),)), Response(200, (), b"")),
        ]

    new = Response(200, (("ETag", '"77aa4ce4273b5e1b"'),), b"")
    for listed in ((tag, '"bd394371823e0a7a"'), ('"bd394371823e0a7a"', tag)):
        made = script(*pairs(*listed))
        sent, _ = play(made, new, entries('"cf7ebfca7f122e4b"', '"0000000273b5e1b9"'))
        assert header(sent[2].headers, "If-Match") == '"77aa4ce4273b5e1b"'
    # The twin: where only the list has it, its position says which it is, also where one entry is left.
    made = script(*pairs(tag, '"bd394371823e0a7a"')[1:])
    for answer in (entries('"cf7ebfca7f122e4b"', '"0000000273b5e1b9"'), entries('"cf7ebfca7f122e4b"')):
        assert header(play(made, answer)[0][1].headers, "If-Match") == '"cf7ebfca7f122e4b"'


def test_what_is_no_xml_is_still_cut_into_words() -> None:
    """The twin: a media type alone makes no document."""
    broken = Response(207, XML, b"<multistatus><sync-token>364ce4273b5e1b39</sync-token>")
    made = script((asking(""), broken), (asking("364ce4273b5e1b39"), listing("t")))
    assert made.steps[0].produces == ("$response.body",)
    again = Response(207, XML, b"<multistatus><sync-token>fc0d072e0788f54f</sync-token>")
    assert play(made, again)[0][1].body == asking("fc0d072e0788f54f").body


def test_short_ids_are_followed_by_the_names_of_elements() -> None:
    def order(number: str, total: str) -> Response:
        text = f"<order><id>{number}</id><total>{total}</total><customer><id>7</id></customer></order>"
        return Response(201, (("Content-Type", "text/xml"),), text.encode())

    made = script(
        (request("POST", "/orders"), order("15", "16")), (request("GET", "/orders/15?limit=16"), order("", ""))
    )
    sent, _ = play(made, order("99", "50"))
    assert sent[1].target == "/orders/99?limit=16"


def test_a_rule_may_name_an_element_or_an_attribute() -> None:
    def answer(upload: str) -> Response:
        return Response(200, XML, f'<s:uploads xmlns:s="s3"><s:upload s:id="{upload}"/></s:uploads>'.encode())

    flow = ("POST /files $response.body#/xml/uploads/upload/@s:id", "PUT /files/a $request.query.part-of")
    rules = Rules(flows=(flow,))
    made = script(
        (request("POST", "/files"), answer("abc")), (request("PUT", "/files/a?part-of=abc"), answer("")), rules=rules
    )
    assert play(made, answer("xyz"))[0][1].target == "/files/a?part-of=xyz"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>',
        b"<a>" * 100 + b"</a>" * 100,
        b'<?xml version="1.0" encoding="no-such"?><a>1</a>',
        b"<a>" + b" " * 4 * 1024 * 1024 + b"</a>",
    ],
    ids=["empty", "open", "crossed", "entities", "deep", "encoding", "large"],
)
def test_what_is_not_read(body: bytes) -> None:
    assert xml.values(body) is None


NAMES = st.sampled_from(["a", "b", "n:a", "n:c"])
TREES = st.recursive(
    st.tuples(NAMES, st.text("xyz0", min_size=1, max_size=5)),
    lambda inner: st.tuples(NAMES, st.lists(inner, max_size=4)),
    max_leaves=12,
)


@given(TREES)
def test_every_text_has_a_key_of_its_own(tree: tuple[str, object]) -> None:
    texts: list[str] = []

    def written(node: tuple[str, object]) -> str:
        name, inside = node
        if isinstance(inside, str):
            texts.append(inside)
            return f"<{name}>{inside}</{name}>"
        assert isinstance(inside, list)
        return f"<{name}>{''.join(map(written, inside))}</{name}>"

    found = xml.values(f'<r xmlns:n="n">{written(tree)}</r>'.encode())
    assert found is not None
    assert [value for *_, value in found] == texts
    assert len({key for key, *_ in found}) == len(found)
