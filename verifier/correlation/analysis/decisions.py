"""Values that no earlier answer carries: made up by the client, known before the recording, or lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from verifier.correlation.analysis.sources import collection
from verifier.correlation.analysis.templating import Grain
from verifier.correlation.text.classes import EMAIL, is_random
from verifier.correlation.text.names import RequestPlace, affinity, is_key, names_itself, stem
from verifier.correlation.text.split import USER_AND_PASSWORD, base64_text
from verifier.correlation.text.times import Moment, moment
from verifier.recording.redact import PREFIX

NEAR = 86400.0  # seconds around the exchange in which a moment counts as "now"
_LONGEST_RANDOM = 128  # characters; longer ones are contents
# Headers by which a client marks one request, or one attempt at it.
_UNIQUE_HEADERS = re.compile(
    r"(idempot|request-?id|correlation-?id|trace-?id|transaction-?id|message-?id|nonce|dedup|client-?token)", re.I
)
_UNIQUE_QUERY = re.compile(r"(idempot|request_?id|nonce|state|trace|correlation|client_?token|cachebust|^_$)", re.I)
_SECRETS = frozenset({"password", "passwd", "pwd", "secret", "signature", "pin"})
_ISSUED = frozenset({"token", "assertion", "captcha", "otp", "ticket", "session"})
# Random-looking, but with a meaning of their own: a new one would be a wrong one.
_MEANINGFUL = frozenset({
    "iban", "bic", "swift", "vat", "card", "pan", "phone", "sku", "ean", "gtin", "isbn", "upc", "asin", "vin", "hash",
    "sha", "sha256", "sha1", "md5", "checksum", "digest", "etag", "signature", "color", "locale", "build", "commit",
    "revision", "cert", "certificate", "pem", "cursor", "version", "query", "image", "file", "content", "agent",
})  # fmt: skip
_LOGIN_NAMES = frozenset({"username", "user name", "login", "nickname"})
_LOGIN = re.compile(r"/(log-?in|sign-?in|auth|oauth2?|token|tokens|sessions?)(/|\?|\Z)", re.I)


@dataclass(frozen=True, slots=True)
class Use:
    """One appearance of a text in a request, with what was sent and how it was answered."""

    index: int
    method: str
    target: str
    status: int
    at: float  # wall-clock seconds since the epoch; 0 if unknown
    place: RequestPlace
    grain: Grain
    conditional: bool = False  # whether the request holds for an existing thing only (If-Match)


@dataclass(frozen=True, slots=True)
class ValueDecision:
    """`fresh` values are renewed, `unmatched` ones reported; `moment` is set where time is to be shifted.

    `limit` confines a readable value ("attempt-1", "my-bucket") to the places that mean the same as this one.
    `telling`: it is more than a plain word, and so meant by every equal segment of a path, and field of that name.
    """

    kind: Literal["keep", "fresh", "unmatched"]
    moment: Moment | None = None
    limit: RequestPlace | None = None
    telling: bool = False

    def fits(self, place: RequestPlace) -> bool:
        """Whether the decision holds at a place."""
        limit = self.limit
        if limit is None:
            return True
        if limit.kind == "header":
            return marks_request(place)
        if self.telling and (place.kind == "path" or place.words == limit.words):
            return True
        if affinity(place, limit) >= 2 or place.via.lower() == "$request.header.authorization":
            return True
        return place.words == limit.words and not names_itself(limit.name)


KEEP = ValueDecision("keep")


def created(uses: Sequence[Use]) -> Use | None:
    """The use that created something under a name of the client's choosing, if one did.

    That is a PUT that was answered 201, or a POST answered 201 whose body names what is made: by a key, or by a name
    under which it was found later. Replayed with the same name it would find what an earlier replay has left.
    """
    for use in uses:
        if use.grain != "whole" or use.status != 201:
            continue
        if _is_put_name(use) or _is_post_name(use) or _is_found_by(use, uses):
            before = [other for other in uses if other.index < use.index and other.place == use.place]
            return use if all(other.status >= 400 for other in before) else None
    return None


def _is_put_name(use: Use) -> bool:
    segments = use.target.partition("?")[0].strip("/").split("/")
    return use.method == "PUT" and use.place.via == f"$request.path.{len(segments) - 1}" and len(segments) > 1


def _is_post_name(use: Use) -> bool:
    place = use.place
    if use.method != "POST" or place.kind != "body" or not place.via.startswith("$request.body#"):
        return False
    if place.words in _LOGIN_NAMES:
        return True
    return is_key(place.name) and names_itself(place.name) and place.containers[:1] == collection(use.target)


def _is_found_by(use: Use, uses: Sequence[Use]) -> bool:
    """`POST /features {"name": "checkout"}`, then `GET /features/checkout`."""
    place, made = use.place, collection(use.target)
    if use.method != "POST" or not place.via.startswith("$request.body#") or not names_itself(place.name):
        return False
    return place.containers[:1] == made and any(
        other.index > use.index
        and (other.grain, other.place.kind, other.place.containers[:1]) == ("whole", "path", made)
        and other.status < 400
        for other in uses
    )


def decide(text: str, uses: Sequence[Use]) -> ValueDecision:
    """What to do with a text that requests carry before any answer does; `uses` are all its appearances."""
    if text.startswith(PREFIX) and any(map(_presented, uses)):
        return ValueDecision("unmatched")  # no service takes a placeholder for what it stands for
    when = moment(text)
    if when is not None:
        near = any(use.at and abs(when.seconds - use.at) <= NEAR and _shifts(use) for use in uses)
        return ValueDecision("fresh", moment=when) if near else KEEP
    own = [use for use in uses if use.grain != "fine" or is_random(text)]
    if any(use.grain == "whole" and marks_request(use.place) for use in own):
        marked = next(use.place for use in own if use.grain == "whole" and marks_request(use.place))
        return ValueDecision("fresh", limit=None if is_random(text) else marked)
    if EMAIL.fullmatch(text):
        # An address that is first used to log in belongs to an account that exists.
        return KEEP if _LOGIN.search(uses[0].target) or uses[0].method in ("GET", "HEAD") else ValueDecision("fresh")
    if not is_random(text) or len(text) > _LONGEST_RANDOM or base64_text(text):
        return KEEP
    first = own[0]
    if first.method == "PUT" and first.status < 300 and not first.conditional and _in_path(first.place):
        # Who puts a whole thing under a random name that nobody told it has made the name up.
        return ValueDecision("fresh")
    views = [_view(use) for use in own]
    if "meaning" in views:
        return KEEP
    if "made" in views:
        return ValueDecision("fresh")
    return ValueDecision("unmatched") if "issued" in views else KEEP


def _presented(use: Use) -> bool:
    """Whether a client shows a value to be let in by it: a token, a key, a session. Users and passwords are its own."""
    place = use.place
    if use.grain != "whole" or place.name == USER_AND_PASSWORD:
        return False
    return place.kind == "cookie" or place.via.startswith(("$request.header.", "$request.query."))


def marks_request(place: RequestPlace) -> bool:
    """Whether a header is there to tell one request, or one attempt at it, from all others."""
    return place.kind == "header" and bool(_UNIQUE_HEADERS.search(place.name))


def _in_path(place: RequestPlace) -> bool:
    return place.via.startswith("$request.path.")


def _shifts(use: Use) -> bool:
    return not (use.place.kind == "header" and use.place.words.startswith("if "))


def _view(use: Use) -> Literal["made", "issued", "meaning", "nothing"]:
    """What one appearance says about where the value comes from."""
    place = use.place
    if place.kind == "cookie":
        return "issued"
    if place.via.startswith("$request.header."):
        return _in_header(place.via.removeprefix("$request.header.").lower(), use)
    if _in_path(place):
        if use.method == "PUT" and use.status == 201:
            return "made"
        return "issued" if use.status < 400 else "nothing"
    if place.via.startswith("$request.query."):
        name = place.via.removeprefix("$request.query.")
        return "made" if _UNIQUE_QUERY.search(name) else "issued" if use.status < 400 else "nothing"
    return _in_body(place, use)


def _in_header(name: str, use: Use) -> Literal["made", "issued", "meaning", "nothing"]:
    if name == "referer":
        return "nothing"
    if name.startswith("if-"):
        return "issued"
    if name in ("authorization", "proxy-authorization"):
        # A user and a password are the client's own; a token was issued to it.
        return "nothing" if use.grain != "whole" or use.place.name == USER_AND_PASSWORD else "issued"
    if "key" in name or "token" in name:
        return "meaning" if "api" in name else "issued"
    return "made"


def _in_body(place: RequestPlace, use: Use) -> Literal["made", "issued", "meaning", "nothing"]:
    last = place.words.rpartition(" ")[2]
    words = set(place.words.split())
    if words & _SECRETS or words & _MEANINGFUL:
        return "meaning"
    if last in _ISSUED:
        return "issued"
    if _refers_to_other(place):
        return "issued" if use.status < 400 else "nothing"
    return "made"


def _refers_to_other(place: RequestPlace) -> bool:
    """`customer_id` in an order points at something that exists; `order_id` and `request_id` are the order's own."""
    owner, _, last = place.words.rpartition(" ")
    if last not in ("id", "uuid", "guid") or not owner:
        return False
    own = {stem(name) for name in place.containers} | {
        "request", "client", "correlation", "transaction", "message", "event", "idempotency", "external", "operation",
        "trace", "device", "reference", "attempt", "command", "job", "batch",
    }  # fmt: skip
    return not set(owner.split()) & own
