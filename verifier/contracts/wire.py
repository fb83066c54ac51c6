"""Text and bytes of the wire as JSON values: bodies by media type, parameters and headers by their style."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from verifier.contracts.model import Parameter, is_json
from verifier.http.coding import CodingError, UnknownCoding, decode

_decode = msgspec.json.Decoder().decode


class Undecodable(ValueError):
    """The bytes do not match the headers of the message."""


def uncompressed(body: bytes, codings: str) -> bytes | None:
    """The body without its content codings; None when one of them is not supported. Raises Undecodable."""
    try:
        return decode(body, codings)
    except UnknownCoding:
        return None
    except CodingError as error:
        raise Undecodable(str(error)) from None


def decode_json(body: bytes) -> Any:
    """The JSON value of bytes. Raises Undecodable."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if body[:3] == b"\xef\xbb\xbf":
            return decode_json(body[3:])
        try:
            # integers beyond 64 bits and similar values are still JSON
            return json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise Undecodable(f"body is not JSON: {error}") from None


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def matches(declared: str, sent: str) -> bool:
    """Whether a declared media type or range includes the one that was sent."""
    if declared in (sent, "*/*", "*"):
        return True
    return declared.endswith("/*") and sent.startswith(declared[:-1])


def form_fields(body: bytes) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        fields.setdefault(name, []).append(value)
    return fields


def readings(text: str) -> list[Any]:
    """The values that a scalar text may represent: the text itself, and a JSON number, boolean or null."""
    found: list[Any] = [text]
    if text in ("true", "false"):
        found.append(text == "true")
    elif text in ("", "null"):
        found.append(None)
    else:
        try:
            value = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return found
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.append(value)
    return found


def parameter_readings(parameter: Parameter, texts: Sequence[str]) -> list[Any]:
    """Every value that the texts of one parameter may represent. Its schema decides between them."""
    if parameter.media:
        try:
            return [decode_json(texts[0].encode())] if is_json(parameter.media) else [texts[0]]
        except Undecodable:
            return [texts[0]]
    single = texts[0]
    found = readings(single) if len(texts) == 1 else []
    parts = list(texts) if len(texts) > 1 or parameter.explode else single.split(_separator(parameter))
    found.append([_narrow(part) for part in parts])
    found.append(list(parts))
    if len(texts) == 1:
        found.append(_mapping(parameter, single))
    return found


def _separator(parameter: Parameter) -> str:
    return {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}.get(parameter.style, ",")


def _narrow(text: str) -> Any:
    return readings(text)[-1]


def _mapping(parameter: Parameter, text: str) -> dict[str, Any]:
    parts = text.split(",")
    if parameter.explode:
        return {name: _narrow(value) for name, _, value in (part.partition("=") for part in parts)}
    return {name: _narrow(value) for name, value in zip(parts[::2], parts[1::2], strict=False)}
