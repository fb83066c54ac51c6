from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from verifier.history.message import Request, Response
from verifier.history.model import Operation
from verifier.replay.wire.client import Answer
from verifier.replay.wire.quick import quick

REQUEST, RESPONSE = Request("GET", "/"), Response(200)
OPERATION = {
    "id": "s/r/1.1",
    "step": "s",
    "replay": "r",
    "session": "s1",
    "index": 0,
    "attempt": 1,
    "source": "replay",
    "name": "GET /",
    "service": "a",
    "version": "1",
    "replica": "a-1",
    "request": REQUEST,
    "response": RESPONSE,
    "outcome": "ok",
    "started": 1.0,
    "ended": 2.0,
}


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Response, {"status": 200, "headers": (("A", "b"),), "body": b"c"}),
        (Request, {"method": "GET", "target": "/"}),
        (Answer, {"response": RESPONSE, "error": "", "sent": True, "started": 1.0, "answered": 2.0}),
        (Operation, OPERATION),
    ],
)
def test_what_is_made_quickly_is_the_same_value(cls: type, arguments: dict[str, object]) -> None:
    made, expected = quick(cls)(**arguments), cls(**arguments)
    assert type(made) is cls
    assert made == expected
    assert hash(made) == hash(expected)
    assert repr(made) == repr(expected)
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == replace(made) == expected
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(cls)[0].name, 1)


def test_missing_and_unknown_arguments_are_refused() -> None:
    for arguments in ({"method": "GET"}, {"method": "GET", "target": "/", "more": 1}):
        with pytest.raises(TypeError):
            quick(Request)(**arguments)


def test_a_class_that_does_more_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Listing:
        names: list[str] = field(default_factory=list)

    @dataclass(frozen=True, slots=True)
    class Checked:
        name: str

        def __post_init__(self) -> None:
            assert self.name

    for cls in (Listing, Checked):
        with pytest.raises(TypeError, match="does more"):
            quick(cls)
