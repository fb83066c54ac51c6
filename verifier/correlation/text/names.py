"""Names of values: which fields are identifiers, and whether two places mean the same thing.

A short value such as 7 says nothing by itself. It is followed only where the names agree: the segment after
`orders` and the `id` of an order, `order_id` and that `id`, `If-Match` and `ETag`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Names of wrappers, which say nothing about their content.
GENERIC = frozenset({
    "data", "result", "item", "attribute", "payload", "response", "body", "content", "record", "entity", "object",
    "value", "entry", "element", "meta", "embedded", "hit", "row", "doc", "source", "edge", "node",
})  # fmt: skip
IDENTIFIERS = frozenset({
    "id", "uuid", "guid", "key", "ref", "reference", "number", "no", "code", "slug", "handle", "token", "cursor",
    "etag", "version", "revision", "rev", "seq", "sequence", "offset", "name", "modified", "pk", "nonce", "oid",
    "href", "url", "location", "continuation", "marker", "link",
})  # fmt: skip
# Names that stand for the thing itself, when they stand alone or after its name.
_SELF = frozenset({"id", "uuid", "guid", "key", "slug", "name", "code", "number", "no", "ref", "reference", "handle",
                   "pk", "oid", "href", "url", "location"})  # fmt: skip
_KEYS = frozenset({"id", "uuid", "guid", "key", "slug", "handle", "token"})
_TOKENS = frozenset({"token", "access token", "id token", "jwt", "session", "session token", "auth token", "api key",
                     "bearer", "key", "accesstoken"})  # fmt: skip
_USERS = frozenset({"login", "signin", "register", "registration", "signup", "account", "me", "profile", "customer",
                    "member", "session", "auth"})  # fmt: skip
_VERSIONS = frozenset({"etag", "version", "revision", "rev", "last modified"})
_SINCE = frozenset({"since", "before", "after", "last modified", "min last modified", "max last modified"})
# Last words of names that ask for the next page, where the response calls it no more than "next".
_POSITIONS = frozenset({"cursor", "token", "marker", "continuation", "offset", "page", "after"})


@dataclass(frozen=True, slots=True)
class MessageField:
    """A named field of a request or response. `containers` are the stems of what surrounds it, nearest first."""

    kind: str  # path, query, header, cookie, body, token (a word of a composed text)
    name: str
    containers: tuple[str, ...] = ()
    via: str = field(default="", compare=False)  # runtime expression, for reports and rules

    @property
    def words(self) -> str:
        return words(self.name)


@lru_cache(maxsize=4096)
def words(name: str) -> str:
    """`orderId`, `order-id` and `order_ids` all become "order id"."""
    return " ".join(stem(word) for word in _WORDS.findall(name.replace("ETag", "etag")))


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A lower-case singular, by the three rules that cover the names of collections."""
    lower = word.lower()
    if len(lower) > 4 and lower.endswith("ies"):
        return lower[:-3] + "y"
    if len(lower) > 4 and lower.endswith(("sses", "xes", "ches", "shes")):
        return lower[:-2]
    if len(lower) > 3 and lower.endswith("s") and not lower.endswith(("ss", "us", "is")):
        return lower[:-1]
    return lower


def is_identifier(name: str) -> bool:
    """Whether a field of this name holds an identifier, a version or a position, by its last word."""
    last = words(name).rpartition(" ")[2]
    return last in IDENTIFIERS


def is_key(name: str) -> bool:
    """Whether a field of this name holds a key by which something is found, even if the key is a word."""
    return words(name).rpartition(" ")[2] in _KEYS


def names_itself(name: str) -> bool:
    """Whether the name alone stands for the thing that surrounds it: `id`, not `customer_id`."""
    return words(name) in _SELF


@lru_cache(maxsize=65536)
def affinity(consumer: MessageField, producer: MessageField) -> int:
    """How well the names of two fields agree: 0 not at all, 1 by the same name, 2 and 3 as names of the same thing."""
    consumer_words, producer_words = consumer.words, producer.words
    if consumer_words in ("if match", "if none match", "if range"):
        return 3 if producer_words == "etag" else 2 if producer_words in _VERSIONS else 0
    if consumer_words in ("if modified since", "if unmodified since"):
        return 3 if producer_words == "last modified" and producer.kind == "header" else 0
    if consumer_words == "authorization":
        return 2 if producer_words in _TOKENS or producer_words.endswith(" token") else 0
    if consumer_words in _SINCE and producer_words in _VERSIONS:
        return 2
    shared = _nearest(consumer) == _nearest(producer) != ""
    if consumer.kind in ("path", "token"):
        return _path_affinity(consumer, producer_words, shared)
    if consumer_words == producer_words:
        return 3 if shared else 1
    if _continues(consumer_words, producer_words):
        return 2
    return _reference(consumer_words, producer_words, _nearest(producer))


def _nearest(field: MessageField) -> str:
    """The name that directly surrounds a field. A login or a registration counts as a user, which it returns."""
    nearest = field.containers[0] if field.containers else ""
    return "user" if nearest in _USERS else nearest


def _path_affinity(consumer: MessageField, producer_words: str, shared: bool) -> int:
    if consumer.kind == "token" and not _nearest(consumer).isalpha():
        # In `1.2.3` nothing says what the 2 is.
        return 0
    if shared and producer_words in _SELF:
        return 3
    owner = _nearest(consumer)
    last = producer_words.rpartition(" ")
    if owner and last[2] in _SELF and last[0] and _alias(last[0].rpartition(" ")[2]) == owner:
        return 2
    return 0


def asks_for_the_next_page(consumer: MessageField, producer: MessageField) -> bool:
    """Whether a field of a request asks for what a field of a response names as the position to go on from."""
    return consumer.words.rpartition(" ")[2] in _POSITIONS and _continues(consumer.words, producer.words)


def _continues(consumer_words: str, producer_words: str) -> bool:
    """`cursor` in the request, `next_cursor` or `next` in the response before it."""
    if producer_words == "next":
        return consumer_words.rpartition(" ")[2] in _POSITIONS
    return producer_words == f"next {consumer_words}" or (
        producer_words == "end cursor" and consumer_words in ("after", "cursor")
    )


def _alias(word: str) -> str:
    return "user" if word in _USERS else word


def _reference(consumer_words: str, producer_words: str, producer_nearest: str) -> int:
    """`order_id` or `order` in the request, `id` of an order in the response."""
    owner, _, last = consumer_words.rpartition(" ")
    if last not in _SELF:
        owner = consumer_words
    if producer_words in _SELF and owner and producer_nearest:
        return 2 if _alias(owner.rpartition(" ")[2]) == producer_nearest else 0
    # `payment_id` here, `payment` there.
    producer_owner, _, producer_last = producer_words.rpartition(" ")
    return 2 if producer_last in _SELF and producer_owner and producer_owner == owner else 0
