"""The line of an operation, put together from texts that are made beforehand; `store` writes all other lines.

Texts are JSON, as Latin-1 text of its UTF-8 bytes: what is cut out of bytes and put together again stays what it was.
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


_often = lru_cache(maxsize=1024)(text)  # of what many lines have


def place(step: str, replay: str, session: str) -> tuple[str, str]:
    """Step and replay as an operation's id has them, and the fields of all three."""
    told = text(replay)
    where = f"{_often(step)[1:-1]}/{told[1:-1]}"
    return where, f'"step":{_often(step)},"replay":{told},"session":{_often(session)}'


def served(name: str, service: str, version: str, replica: str) -> str:
    return f'"name":{text(name)},"service":{text(service)},"version":{text(version)},"replica":{text(replica)}'


def storable(value: Any) -> Any:
    """A value as JSON has it, each lone surrogate in it as U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {name: storable(item) for name, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value


def produced_text(produced: tuple[tuple[str, str], ...]) -> str:
    """What follows the times: nothing for an operation that produced nothing."""
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
    """A first attempt that was answered.

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
