"""Values that no earlier response carries: the client made them up, knew them before the recording, or lost them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from verifier.correlation.analysis.templating import Grain
from verifier.correlation.text.classes import EMAIL, is_random
from verifier.correlation.text.names import MessageField, affinity, names_itself, stem
from verifier.correlation.text.split import USER_AND_PASSWORD, base64_text
from verifier.correlation.text.times import Moment, moment
from verifier.recording.secret_map import PREFIX
from verifier.recording.signup import signs_up

NEAR = 86400.0  # seconds around the exchange in which a moment counts as "now"
_LONGEST_RANDOM = 128  # characters; longer ones are contents
# Headers by which a client marks one request, or one attempt at it.
_UNIQUE_HEADERS = re.compile(
    r"(idempot|request-?id|correlation-?id|trace-?id|transaction-?id|message-?id|nonce|dedup|client-?token)", re.I
)
_UNIQUE_QUERY = re.compile(r"(idempot|request_?id|nonce|state|trace|correlation|client_?token|cachebust|^_$)", re.I)
SECRETS = frozenset({"password", "passwd", "pwd", "secret", "signature", "pin"})
_ISSUED = frozenset({"token", "assertion", "captcha", "otp", "ticket", "session"})
# Names of values that look random but have a meaning of their own: a new value would be a wrong one.
_MEANINGFUL = frozenset({
    "iban", "bic", "swift", "vat", "card", "pan", "phone", "sku", "ean", "gtin", "isbn", "upc", "asin", "vin", "hash",
    "sha", "sha256", "sha1", "md5", "checksum", "digest", "etag", "signature", "color", "locale", "build", "commit",
    "revision", "cert", "certificate", "pem", "cursor", "version", "query", "image", "file", "content", "agent",
})  # fmt: skip
LOGIN = re.compile(r"/(log-?in|sign-?in|auth|oauth2?|token|tokens|sessions?)(/|\?|\Z)", re.I)


# Where a value comes from: the client made it up, a service issued it, or it has a meaning of its own.
Evidence = Literal["made", "issued", "meaning", "nothing"]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence of a text in a request; `status` is the status of the response."""

    index: int
    method: str
    target: str
    status: int
    at: float  # wall-clock seconds since the epoch; 0 if unknown
    field: MessageField
    grain: Grain
    conditional: bool = False  # the request is for an existing resource only (If-Match)
    made: str = ""  # where the response says that something was created (Location)


@dataclass(frozen=True, slots=True)
class ValueDecision:
    """What becomes of a value: `keep` it, renew it (`fresh`), or report it (`unmatched`).

    `moment` is set where a time is to be shifted. `limit` confines a readable value ("attempt-1", "my-bucket") to the
    fields that mean the same as this one. A `telling` value is more than a plain word, so that every equal segment of
    a path and every equal field of that name means it too. An `unmistakable` one ("model-4f76") is meant everywhere.
    """

    kind: Literal["keep", "fresh", "unmatched"]
    moment: Moment | None = None
    limit: MessageField | None = None
    telling: bool = False
    unmistakable: bool = False

    def fits(self, field: MessageField) -> bool:
        """Whether the decision holds for a field."""
        limit = self.limit
        if limit is None or self.unmistakable:
            return True
        if limit.kind == "header":
            return marks_request(field)
        if self.telling and (field.kind == "path" or field.words == limit.words):
            return True
        if affinity(field, limit) >= 2 or field.via.lower() == "$request.header.authorization":
            return True
        return field.words == limit.words and not names_itself(limit.name)


KEEP = ValueDecision("keep")


def sets_secret(occurrence: Occurrence) -> bool:
    """Whether a request gives an account its password, so that the service knows it from then on."""
    return occurrence.field.kind == "body" and signs_up(occurrence.method, occurrence.target, occurrence.status)


def decide(text: str, occurrences: Sequence[Occurrence], *, lone: bool = False) -> ValueDecision:
    """What becomes of a text that requests carry before any response does; `occurrences` are all of its own.

    A `lone` text stands for nothing that was there before its session: the stores begin empty, and no other session
    uses it.
    """
    if text.startswith(PREFIX) and any(map(_authenticates, occurrences)):
        # No service takes a placeholder for the secret that it stands for, unless it was told to at a sign-up.
        return KEEP if sets_secret(occurrences[0]) else ValueDecision("unmatched")
    when = moment(text)
    if when is not None:
        return ValueDecision("fresh", moment=when) if any(_is_now(when, one) for one in occurrences) else KEEP
    own = [occurrence for occurrence in occurrences if occurrence.grain != "fine" or is_random(text)]
    marks = [occurrence.field for occurrence in own if occurrence.grain == "whole" and marks_request(occurrence.field)]
    if marks:
        return ValueDecision("fresh", limit=None if is_random(text) else marks[0])
    if EMAIL.fullmatch(text):
        # An address that is first used to log in belongs to an account that exists.
        first = occurrences[0]
        return KEEP if LOGIN.search(first.target) or first.method in ("GET", "HEAD") else ValueDecision("fresh")
    if not is_random(text) or len(text) > _LONGEST_RANDOM or base64_text(text):
        return KEEP
    return _decide_random(own, lone)


def _is_now(when: Moment, occurrence: Occurrence) -> bool:
    """Whether a moment is that of its exchange. The conditions of requests (If-Modified-Since) are not shifted."""
    condition = occurrence.field.kind == "header" and occurrence.field.words.startswith("if ")
    return bool(occurrence.at) and abs(when.seconds - occurrence.at) <= NEAR and not condition


def _decide_random(occurrences: Sequence[Occurrence], lone: bool) -> ValueDecision:
    first = occurrences[0]
    written = first.status < 300 and not first.conditional and _in_path(first.field)
    if written and (first.method == "PUT" or (lone and first.method == "POST")):
        # A client that puts a resource under a random name which no response told it has made the name up. So has one
        # that posts below such a name, where nothing can have been there before.
        return ValueDecision("fresh")
    evidence = [_evidence(occurrence) for occurrence in occurrences]
    if "meaning" in evidence:
        return KEEP
    if "made" in evidence:
        return ValueDecision("fresh")
    return ValueDecision("unmatched") if "issued" in evidence else KEEP


def _authenticates(occurrence: Occurrence) -> bool:
    """Whether the client shows a token, a key or a session to be let in. Users and passwords are its own."""
    field = occurrence.field
    if occurrence.grain != "whole" or field.name == USER_AND_PASSWORD:
        return False
    return field.kind == "cookie" or field.via.startswith(("$request.header.", "$request.query."))


def marks_request(field: MessageField) -> bool:
    """Whether a header is there to tell one request, or one attempt at it, from all others."""
    return field.kind == "header" and bool(_UNIQUE_HEADERS.search(field.name))


def _in_path(field: MessageField) -> bool:
    return field.via.startswith("$request.path.")


def _evidence(occurrence: Occurrence) -> Evidence:
    """What one occurrence says about where the value comes from."""
    field = occurrence.field
    if field.kind == "cookie":
        return "issued"
    if field.via.startswith("$request.header."):
        return _in_header(field.via.removeprefix("$request.header.").lower(), occurrence)
    if _in_path(field):
        if occurrence.method == "PUT" and occurrence.status == 201:
            return "made"
        return "issued" if occurrence.status < 400 else "nothing"
    if field.via.startswith("$request.query."):
        name = field.via.removeprefix("$request.query.")
        return "made" if _UNIQUE_QUERY.search(name) else "issued" if occurrence.status < 400 else "nothing"
    return _in_body(field, occurrence)


def _in_header(name: str, occurrence: Occurrence) -> Evidence:
    if name == "referer":
        return "nothing"
    if _UNIQUE_HEADERS.search(name):
        return "made"
    if name.startswith("if-"):
        return "issued"
    if name in ("authorization", "proxy-authorization"):
        # A user and a password are the client's own; a token was issued to it.
        return "nothing" if occurrence.grain != "whole" or occurrence.field.name == USER_AND_PASSWORD else "issued"
    if "key" in name or "token" in name:
        return "meaning" if "api" in name else "issued"
    return "made"


def _in_body(field: MessageField, occurrence: Occurrence) -> Evidence:
    last = field.words.rpartition(" ")[2]
    words = set(field.words.split())
    if words & SECRETS or words & _MEANINGFUL:
        return "meaning"
    if last in _ISSUED:
        return "issued"
    if _refers_to_other(field):
        return "issued" if occurrence.status < 400 else "nothing"
    return "made"


def _refers_to_other(field: MessageField) -> bool:
    """`customer_id` in an order refers to something that exists; `order_id` and `request_id` are the order's own."""
    owner, _, last = field.words.rpartition(" ")
    if last not in ("id", "uuid", "guid") or not owner:
        return False
    own = {stem(name) for name in field.containers} | {
        "request", "client", "correlation", "transaction", "message", "event", "idempotency", "external", "operation",
        "trace", "device", "reference", "attempt", "command", "job", "batch",
    }  # fmt: skip
    return not set(owner.split()) & own
