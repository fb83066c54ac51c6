"""Builds sessions for tests: exchanges from plain values."""

from __future__ import annotations

import json
from typing import Any

from verifier.correlation import Player, Rules, Script, compile_script, learn
from verifier.http.message import Headers, Request, Response
from verifier.recording.model import Exchange, Session

BEGAN = 1_767_323_045.0  # 2026-01-02T03:04:05Z
JSON = ("Content-Type", "application/json")


def request(method: str, target: str, body: Any = None, headers: Headers = ()) -> Request:
    """A dict or list as the body is sent as JSON, text as it is."""
    raw, kind = _body(body)
    return Request(method, target, (*kind, *headers), raw)


def answer(status: int = 200, body: Any = None, headers: Headers = ()) -> Response:
    raw, kind = _body(body)
    return Response(status, (*kind, *headers), raw)


def _body(body: Any) -> tuple[bytes, Headers]:
    if body is None:
        return b"", ()
    if isinstance(body, bytes):
        return body, ()
    if isinstance(body, str):
        return body.encode(), ()
    return json.dumps(body).encode(), (JSON,)


def session(*pairs: tuple[Request, Response]) -> Session:
    return Session(
        "s1",
        tuple(
            Exchange(sent, answered, "shop:8080", float(number), 0.01, number + 1)
            for number, (sent, answered) in enumerate(pairs)
        ),
    )


def script(*pairs: tuple[Request, Response], rules: Rules = Rules(), began: float = BEGAN) -> Script:  # noqa: B008
    return learn(session(*pairs), began=began, rules=rules)


def playing(made: Script, key: str, now: float) -> Player:
    return Player(compile_script(made), key, now)


def play(made: Script, *answers: Response, seed: int = 1, now: float = BEGAN + 1e6) -> tuple[list[Request], Player]:
    """Send every step; each is given its answer, those beyond `answers` their recorded one."""
    player = playing(made, str(seed), now)
    sent = []
    for index, step in enumerate(made.steps):
        sent.append(player.request(index))
        player.learn(index, answers[index] if index < len(answers) else step.exchange.response)
    return sent, player


def body(sent: Request) -> Any:
    return json.loads(sent.body)


def replies(*bodies: Any) -> list[Response]:
    return [item if isinstance(item, Response) else answer(200, item) for item in bodies]
