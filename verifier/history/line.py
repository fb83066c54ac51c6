"""Builds the history line of an operation from prepared pieces of JSON. `store` writes all other lines.

Pieces are JSON encoded in UTF-8 and decoded as Latin-1, so cutting and joining them never changes a byte.
"""

from __future__ import annotations

from binascii import b2a_base64
from functools import lru_cache
from typing import Any

import msgspec

from verifier.history.model import Outcome
from verifier.http.message import Headers

encode = msgspec.json.Encoder().encode


def text(value: object) -> str:
    """A value as JSON. Raises UnicodeEncodeError for a lone surrogate."""
    return encode(value).decode("latin-1")


_often = lru_cache(maxsize=1024)(text)  # for values that occur in many lines


def place(step: str, replay: str, session: str) -> tuple[str, str]:
    """Step and replay as they occur in an operation's id, and the fields of id, step and replay."""
    planned = text(replay)
    where = f"{_often(step)[1:-1]}/{planned[1:-1]}"
    return where, f'"step":{_often(step)},"replay":{planned},"session":{_often(session)}'


def served(name: str, service: str, version: str, replica: str) -> str:
    return f'"name":{text(name)},"service":{text(service)},"version":{text(version)},"replica":{text(replica)}'


def storable(value: Any) -> Any:
    """A JSON value with each lone surrogate replaced by U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {name: storable(item) for name, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value


def produced_text(produced: tuple[tuple[str, str], ...]) -> str:
    """The field `produced`; empty for an operation that produced no value."""
    if not produced:
        return ""
    try:
        return f',"produced":{text(produced)}'
    except UnicodeEncodeError:
        return f',"produced":{text(storable(produced))}'


def operation_line(
    index: int, method: str, target: str, asked: Headers, status: int, outcome: Outcome,
    where: str, place: str, served: str, content: str, headers: str, body: str, started: str, ended: str, produced: str,
) -> str:  # fmt: skip
    """The line of a first attempt that received a response.

    `where` is step and replay as in its id; `content` and `body`, of request and response, are base64.
    """
    request = f'"method":{text(method)},"target":{text(target)},"headers":{text(asked)},"body":"{content}"'
    return (
        f'{{"id":"{where}/{index + 1}.1",{place},"index":{index},"attempt":1,"source":"replay",{served},'
        f'"request":{{{request}}},"response":{{"status":{status},"headers":{headers},"body":"{body}"}},'
        f'"outcome":"{outcome}","started":{started},"ended":{ended}{produced}}}\n'
    )


def base64(body: bytes) -> str:
    return b2a_base64(body, newline=False).decode()
