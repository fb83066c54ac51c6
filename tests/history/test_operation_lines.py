"""Operations whose parts are shared are equal to operations that are decoded one by one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.history.model import Operation
from verifier.history.operations import OperationLines
from verifier.http.message import Request, Response

TEXTS = st.text(alphabet='ab"],[\\é', max_size=8)
HEADERS = st.lists(st.tuples(TEXTS, TEXTS), max_size=4).map(tuple)
BODIES = st.binary(max_size=4)
REQUESTS = st.builds(Request, st.sampled_from(["GET", "PUT"]), TEXTS, HEADERS, BODIES)
RESPONSES = st.none() | st.builds(Response, st.integers(100, 599), HEADERS, BODIES)
TIMES = st.floats(0, 1e6)
OPERATIONS = st.builds(Operation, request=REQUESTS, response=RESPONSES, started=TIMES, ended=TIMES)


@given(st.lists(OPERATIONS, max_size=6))
def test_lines_are_decoded_as_they_are_one_by_one(operations: list[Operation]) -> None:
    decode, alone = OperationLines().decode, msgspec.json.Decoder(Operation).decode
    for operation in operations:
        line = msgspec.json.encode(operation)
        assert decode(line) == alone(line) == operation


def test_what_operations_have_in_common_is_one_object() -> None:
    decode = OperationLines().decode
    headers = (("Host", "orders"), ("traceparent", "1"))
    body = msgspec.json.encode(
        Operation(
            "1", "step", "r1", "s1", 0, 1, "replay", "get", "orders", "1", "orders-1",
            Request("GET", "/", headers), Response(200, (("date", "now"),), b"{}"), "ok", 0.0, 0.0,
        )
    )  # fmt: skip
    one, other = decode(body), decode(body)
    assert one.response is not None and other.response is not None
    assert one.step is other.step
    assert one.request.headers[0] is other.request.headers[0]
    assert one.response.headers is other.response.headers
    assert one.response.body is other.response.body


@pytest.mark.parametrize("headers", ['{"a":1}', '[["a"]]', '[["a","b"],["c"]]', "[1],[2]"])
def test_headers_that_are_no_pairs_are_no_operation(headers: str) -> None:
    line = msgspec.json.encode(
        Operation("1", "s", "r", "s", 0, 1, "replay", "n", "o", "1", "o", Request("GET", "/"), None, "info", 0.0, 0.0)
    )
    wrong = line.replace(b'"target":"/"', b'"target":"/","headers":' + headers.encode())
    with pytest.raises(msgspec.DecodeError):
        OperationLines().decode(wrong)
