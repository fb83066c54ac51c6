"""Names under which a client has created something. A replay with the same name would find what another has left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from verifier.correlation.analysis.decisions import LOGIN, SECRETS, Occurrence
from verifier.correlation.analysis.sources import collection
from verifier.correlation.text.names import is_key, names_itself
from verifier.correlation.text.split import USER_AND_PASSWORD
from verifier.recording.secret_map import PREFIX
from verifier.recording.signup import signs_up

_LOGIN_NAMES = frozenset({
    "username", "user name", "login", "nickname", "nick", "handle", "alias", "user", "account", "account name",
    "screen name", "login name", "user id", "userid", "uid", "member",
})  # fmt: skip
# What a sign-up and a login both say and what many accounts share.
_SHARED = frozenset({
    "realm", "tenant", "client", "client id", "grant type", "scope", "locale", "lang", "language", "country", "region",
    "role", "type", "kind", "plan", "source", "device", "platform", "currency", "timezone", "time zone", "org",
    "organization", "organisation", "company", "audience", "redirect uri", "state",
})  # fmt: skip
_CREATES = re.compile(r"/(create|new|add|insert|make)/?(\?|\Z)", re.I)
# A part of a name that a program drew: `4f76` in `model-4f76`.
_DRAWN = re.compile(r"(?<![A-Za-z0-9])(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{4,}(?![A-Za-z0-9])")


def creation(text: str, occurrences: Sequence[Occurrence]) -> Occurrence | None:
    """The occurrence that created something under a name of the client's choosing, if one did.

    That is a PUT with status 201; a POST that created something whose body names it: by a key, by a name under which a
    later request finds it, or by one with a part that was drawn; or a sign-up with the name of the account.

    A PUT whose response tells of another place (`PUT /alerts/7/note`, Location `/alerts/7/notes/3`) names an action,
    and the service has chosen the name.
    """
    for occurrence in occurrences:
        if occurrence.grain != "whole" or occurrence.status >= 400:
            continue
        if _names_account(text, occurrence, occurrences) or (
            _creates(occurrence) and _names_created(text, occurrence, occurrences)
        ):
            earlier = (other for other in occurrences if other.index < occurrence.index)
            failed = all(other.status >= 400 for other in earlier if other.field == occurrence.field)
            return occurrence if failed else None
    return None


def unmistakable(text: str) -> bool:
    """Whether a name is no word that may stand for something else, too."""
    return len(text) >= 6 and _DRAWN.search(text) is not None


def _creates(occurrence: Occurrence) -> bool:
    return occurrence.status == 201 or (occurrence.method == "POST" and _CREATES.search(occurrence.target) is not None)


def _names_created(text: str, occurrence: Occurrence, occurrences: Sequence[Occurrence]) -> bool:
    return (
        _is_put_name(occurrence)
        or _is_post_name(occurrence)
        or _is_found_by(occurrence, occurrences)
        or (unmistakable(text) and _in_post(occurrence) and names_itself(occurrence.field.name))
    )


def _is_put_name(occurrence: Occurrence) -> bool:
    segments = occurrence.target.partition("?")[0].strip("/").split("/")
    last = f"$request.path.{len(segments) - 1}"
    own = not occurrence.made or urlsplit(occurrence.made).path.strip("/").endswith(segments[-1])
    return occurrence.method == "PUT" and occurrence.field.via == last and len(segments) > 1 and own


def _in_post(occurrence: Occurrence) -> bool:
    return occurrence.method == "POST" and occurrence.field.via.startswith("$request.body#")


def _is_post_name(occurrence: Occurrence) -> bool:
    field = occurrence.field
    if field.kind != "body" or not _in_post(occurrence):
        return False
    if field.words in _LOGIN_NAMES:
        return True
    return is_key(field.name) and names_itself(field.name) and field.containers[:1] == collection(occurrence.target)


def _is_found_by(occurrence: Occurrence, occurrences: Sequence[Occurrence]) -> bool:
    """`POST /features {"name": "checkout"}`, then `GET /features/checkout`."""
    field, made = occurrence.field, collection(occurrence.target)
    if not _in_post(occurrence) or not names_itself(field.name):
        return False
    return field.containers[:1] == made and any(
        other.index > occurrence.index
        and (other.grain, other.field.kind, other.field.containers[:1]) == ("whole", "path", made)
        and other.status < 400
        for other in occurrences
    )


def _names_account(text: str, occurrence: Occurrence, occurrences: Sequence[Occurrence]) -> bool:
    """The name of an account, under whatever field: one that usually is a name, or one with which a login follows."""
    field = occurrence.field
    if field.kind != "body" or not signs_up(occurrence.method, occurrence.target, occurrence.status):
        return False
    words = field.words
    if words in _SHARED or set(words.split()) & SECRETS or PREFIX in text or len(text) < 3 or text.isdecimal():
        return False
    return words in _LOGIN_NAMES or any(
        other.index > occurrence.index and other.status < 400 and _logs_in(other) for other in occurrences
    )


def _logs_in(occurrence: Occurrence) -> bool:
    if occurrence.field.name == USER_AND_PASSWORD or occurrence.field.via.lower() == "$request.header.authorization":
        return True
    return occurrence.grain == "whole" and occurrence.field.kind == "body" and bool(LOGIN.search(occurrence.target))
