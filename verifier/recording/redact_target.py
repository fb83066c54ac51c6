"""Secrets in the targets of requests: in segments of paths, their parameters, and queries."""

from __future__ import annotations

import re
from urllib.parse import quote_plus

from verifier.recording.concealer import Concealer, decoded
from verifier.recording.redact_document import redact_pairs
from verifier.recording.redact_text import redact_text
from verifier.recording.secret_names import segment_is_telling
from verifier.recording.secret_shapes import is_plain, is_random, is_uuid

# Paths of which `code` is a code of OAuth, and segments after which a number is a secret.
_LOGIN = re.compile(r"oauth|oidc|callback|/cb\b|authorize|/sso|signin|login", re.I)
_NUMERIC = re.compile(r"(?:^|[_-])(?:otp|totp|pin|cvv|cvc|ssn|(?:verification|security|login|access)-?code)$", re.I)


def redact_target(concealer: Concealer, target: str) -> str:
    """The target of a request: what stands in its path after a telling segment, and its parameters."""
    path, mark, query = target.partition("?")
    segments = path.split("/")
    concealer.place = "path"
    for number, segment in enumerate(segments):
        segments[number] = _segment(concealer, segment, segments[number - 1] if number else "")
    concealer.place = "query"
    beside = frozenset({"redirecturi"}) if _LOGIN.search(path) else frozenset()
    return "/".join(segments) + mark + redact_pairs(concealer, query, redirected=True, beside=beside)


def _segment(concealer: Concealer, segment: str, before: str) -> str:
    value, mark, parameters = segment.partition(";")
    if mark:
        parameters = ";".join(_matrix(concealer, part) for part in parameters.split(";"))
    text = decoded(value.replace("+", "%2B"))
    if len(text) < 4:
        return value + mark + parameters
    if (
        segment_is_telling(before)
        and _is_opaque(text, before)
        and not (is_uuid(text) and before.lower().startswith("sess"))
    ):
        value = quote_plus(concealer.conceal(before, text))
    else:
        hidden = redact_text(concealer, text, before)
        value = value if hidden == text else quote_plus(hidden)
        if hidden == text:
            concealer.note(before, text)
    return value + mark + parameters


def _matrix(concealer: Concealer, part: str) -> str:
    name, mark, value = part.partition("=")
    secret = mark and concealer.is_secret(decoded(name), decoded(value))
    return f"{name}={quote_plus(concealer.conceal(decoded(name), decoded(value)))}" if secret else part


def _is_opaque(text: str, before: str) -> bool:
    if text.isdecimal() and 4 <= len(text) <= 10:
        return _NUMERIC.search(before) is not None
    return is_random(text) or is_uuid(text) or (len(text) >= 8 and not is_plain(text) and any(map(str.isdigit, text)))
