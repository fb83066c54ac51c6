"""Which names say that their values are secret: of headers, parameters, members, elements, parts, and path segments.

The families are those of the OWASP Logging Cheat Sheet (data to exclude) and of PCI DSS 3 (card data), with the headers
in which well-known services take their keys.
"""

from __future__ import annotations

import re
from collections.abc import Set
from enum import IntEnum
from functools import lru_cache


class Telling(IntEnum):
    """How much a name says. Only a CERTAIN name makes everything below it secret."""

    NOTHING = 0
    KEY = 1  # a random value beside it is secret
    LIKELY = 2  # a value is secret if it is no plain word, date or small number
    CERTAIN = 3  # each text is secret, and each number


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Words at the end of a name that do not change what it means, such as `password_confirmation` or `token_value`.
_NOISE = frozenset({
    "value", "text", "raw", "str", "string", "plain", "new", "old", "current", "confirm", "confirmed", "confirmation",
    "repeat", "repeated", "again", "verify", "input", "field", "header", "param", "hash", "hashed", "encrypted",
    "digest", "data", "b",
})  # fmt: skip
# Words at the end of a name that say something about a secret without telling it.
_ABOUT = frozenset({
    "type", "types", "count", "counts", "limit", "limits", "url", "uri", "endpoint", "expires", "expiry", "expiration",
    "expired", "exp", "ttl", "age", "lifetime", "length", "len", "size", "name", "status", "state", "kind", "version",
    "hint", "policy", "required", "enabled", "disabled", "valid", "invalid", "verified", "changed", "strength", "score",
    "at", "in", "on", "date", "time", "timeout", "duration", "created", "updated", "issued", "issuer", "audience",
    "usage", "used", "total", "remaining", "symbol", "price", "address", "decimals", "scheme", "format", "algorithm",
    "alg", "method", "methods", "label", "placeholder", "help", "rules", "min", "max", "budget", "mask", "masked",
    "brand", "network", "funding", "country", "currency", "bank", "last", "title", "image", "color", "style", "layout",
    "index", "position", "supported", "allowed", "error", "errors", "message", "attempts", "retries", "scope", "scopes",
    "rotation", "links", "link", "path", "file", "manager", "provider", "source", "reset", "by", "seconds",
    "minutes", "level", "class", "offset", "digits", "template", "body", "subject", "first", "fee", "amount",
})  # fmt: skip
_PAGES = frozenset({
    "next", "prev", "previous", "page", "paging", "pagination", "continuation", "continue", "sync", "start", "end",
    "cursor", "resume", "scroll", "skip",
})  # fmt: skip
_PAGING = re.compile(
    r"(next|prev|previous|continuation|sync|start|end|cursor|scroll|skip)?(page|paging|pagination)?token"
)
_COUNTED = re.compile(r"(max|min|total|prompt|completion|input|output|used|remaining|num|n|cached|reasoning)\w*tokens")
_PASSWORD = re.compile(
    r"password|passwd|passwort|kennwort|passphrase|passcode|contrasena|motdepasse|pwd$|^pwd|^psw$|^pw$"
)
_NOT_A_PASS = frozenset({
    "boarding", "bus", "season", "day", "ski", "travel", "rail", "event", "low", "high", "band", "all", "first",
    "second", "by", "no", "week", "month", "visitor", "parking", "train", "two", "multi", "one",
})  # fmt: skip
_KEYS = frozenset({
    "access", "secret", "private", "signing", "encryption", "decryption", "subscription", "auth", "account", "shared",
    "master", "functions", "function", "consumer", "deploy", "ssh", "insert", "ingest", "rapidapi", "mashape", "hmac",
    "aes", "rsa", "webhook", "recovery", "security", "admin", "storage", "fastly", "clickhouse", "storageaccount",
    "session", "api", "license", "licence", "application",
})  # fmt: skip
_MAYBE_KEYS = frozenset({"client", "app", "user", "server", "service", "rest", "write", "read", "query", "project"})
_CODES = re.compile(
    r"(otp|totp|mfa|2fa|twofactor|verification|security|onetime|sms|auth|authorization|backup|recovery|login|access"
    r"|activation|reset|device|user|magic|pin)codes?$|^codeverifier$|giftcard(code|number|pin)$|vouchercode$"
)
_CARD_DATA = frozenset({
    "number", "no", "num", "nr", "pan", "code", "holder", "holdername", "cardholder", "expiry", "expiration", "month",
    "year", "date", "verification", "security", "track", "owner", "exp",
})  # fmt: skip
_CARD_CHECKS = frozenset({"cvv", "cvc", "csc", "cvn", "cvd", "cav", "cid"})
_SESSION = re.compile(r"(phpsess|jsession|aspsession|session|sess)(id|ids|key|cookie|handle|secret|hash|uid|uuid)?$")
_SESSION_ID = re.compile(
    r"(sessid|sessionid|sessionkey|sessioncookie|sessionhandle|sessionhash|sessionuid|sessionuuid)$"
)
_JOINED_CARD = re.compile(
    r"^(credit|debit|bank|payment)?card(number|no|num|nr|pan|holder|holdername|expiry|expiration)$"
    r"|^cc(number|num|no|nr|exp|expiry|cvc|cvv|csc)$|^(account)?pan$"
)
# Headers that services have chosen for their keys, where the families do not contain them anyway.
_HEADERS = frozenset({
    "cookie", "setcookie", "proxyauthorization", "xauth", "xauthkey", "authkey", "xauthemail", "xaccess", "xwsse",
    "xhoneycombteam", "xinsertkey", "xquerykey", "fastlykey", "cfaccessclientid", "cbaccesssign", "xtableauauth",
    "xjfrogartapi", "xmsclientprincipal", "xforwardedclientcert", "xclientcert", "xsslclientcert", "sslclientcert",
    "xamznoidcdata", "xamznoidcidentity", "xgoogauthenticateduserjwt", "dpop", "xclickhousekey", "xclickhouseuser",
    "ddapplicationkey", "xparsemasterkey", "xparsejavascriptkey", "xalgoliaapikey", "ocpapimsubscriptionkey",
    "authenticationinfo", "xamzsignature", "xamzcredential", "xrapidapikey", "xmashapekey", "xpusherkey", "xbapisign",
    "xbapikey", "xcoinapikey", "xhasuraadminsecret", "xappwritekey", "xdtauth", "xdgauth", "xnetflixauth", "xuserauth",
})  # fmt: skip
_PARAMETERS = frozenset({"xamzsignature", "xamzcredential", "xgoogsignature", "xgoogcredential", "awsaccesskeyid"})
# Names beside `code`, `sig` and `signature` that tell what they are.
_OAUTH = frozenset({"granttype", "redirecturi", "clientid", "codeverifier", "sessionstate", "responsetype"})
_REDIRECTED = _OAUTH | {"state", "iss", "scope", "authuser"}
_SIGNED = frozenset({"se", "sv", "sp", "sr", "expires", "keypairid", "policy", "awsaccesskeyid", "xamzdate"})
# Segments of a path after which a secret stands.
_SEGMENT = re.compile(
    r"(?:(?:password|pwd|account|email)?-?(?:reset|recover|recovery)(?:-?password)?|(?:e?mail-?)?(?:verify|verification"
    r"|confirm|confirmation|activate|activation|unsubscribe)(?:-?e?mail)?|magic(?:-?links?)?|invit(?:e|es|ation|ations)"
    r"|(?:web)?hooks?|services|shared?|s|bot|feeds?|calendars?)",
    re.I,
)


def words(name: str) -> list[str]:
    """The words of a name, in lower case, whatever separates them: `accessToken`, `access_token`, `Access-Token`."""
    return [word.lower() for word in _WORD.findall(name)]


def plain(name: str) -> str:
    """A name without case and separators."""
    return name.lower().replace("-", "").replace("_", "")


@lru_cache(maxsize=8192)
def telling(name: str) -> tuple[Telling, bool]:
    """What a name says about its value, and whether numbers are meant too. Of `user[card].number`, parts count too."""
    parts = re.findall(r"[^\[\].]+", name[:200]) or [name]
    found = _telling(words(parts[-1]))
    if len(parts) > 1 and found[0] < Telling.CERTAIN:
        found = max(found, _telling(words(" ".join(parts[-2:]))))
    return found


_NOTHING = (Telling.NOTHING, False)


def _telling(said: list[str]) -> tuple[Telling, bool]:
    joined = "".join(said)
    paging = (joined != "token" and _PAGING.fullmatch(joined)) or (
        said[-1:] == ["token"] and said[-2:-1] and said[-2] in _PAGES
    )
    if paging or _COUNTED.fullmatch(joined):
        return _NOTHING
    while len(said) > 1 and (said[-1] in _NOISE or said[-1].isdecimal()):
        said = said[:-1]
    if not said:
        return _NOTHING
    joined = "".join(said)
    for family in (_card, _coded, _session, _credential, _key):
        found = family(said, joined)
        if found is not None:
            return found
    return _NOTHING


def _card(said: list[str], joined: str) -> tuple[Telling, bool] | None:
    if _JOINED_CARD.search(joined):
        return Telling.CERTAIN, True
    if said[-1] in _CARD_CHECKS and (said[-1] not in ("cid", "cav") or "card" in said):
        return Telling.CERTAIN, True
    if "card" not in said and not said[-1].endswith(("creditcard", "debitcard")):
        return None
    if said[-1] in _CARD_DATA and "card" in said:
        return Telling.CERTAIN, said[-1] not in ("month", "year", "date", "exp", "expiry", "expiration")
    return (Telling.LIKELY, False) if said[-1].endswith("card") else None


def _coded(said: list[str], joined: str) -> tuple[Telling, bool] | None:
    last = said[-1]
    if _CODES.search(joined) or last in ("otp", "totp", "hotp"):
        return Telling.CERTAIN, True
    if last in ("iban", "ssn", "bban", "jwt", "mnemonic", "pin") or joined.endswith(
        ("socialsecuritynumber", "seedphrase")
    ):
        return Telling.CERTAIN, True
    if said[0] == "pin" and last in ("number", "block", "code"):
        return Telling.CERTAIN, True
    return None


def _session(said: list[str], joined: str) -> tuple[Telling, bool] | None:
    if said[-1] == "sid" or (
        joined.endswith("sid") and len(said) == 1 and joined.startswith(("php", "asp", "connect"))
    ):
        return Telling.CERTAIN, False
    if joined.endswith(("sessid", "sess")) or _SESSION_ID.search(joined) or (said[-1] == "id" and "session" in said):
        return Telling.CERTAIN, False
    return (Telling.LIKELY, False) if _SESSION.search(joined) else None


def _credential(said: list[str], joined: str) -> tuple[Telling, bool] | None:
    about = said[-1] in _ABOUT
    if ("saml" in joined and said[-1] not in _ABOUT) or said[-1] == "assertion":
        return Telling.CERTAIN, False
    if about:
        return None
    if "csrf" in joined or "xsrf" in joined or ("apikey" in joined and said[-1] not in ("id", "ids", "apikeys")):
        return Telling.CERTAIN, True
    if _PASSWORD.search(joined) and not joined.endswith("s"):
        return Telling.CERTAIN, True
    if said[-1] == "pass" and (len(said) == 1 or said[-2] not in _NOT_A_PASS):
        return Telling.CERTAIN, True
    if any(word.endswith(("token", "secret")) for word in said) and said[-1] not in ("id", "ids"):
        return Telling.CERTAIN, True
    if joined.endswith(("secretid", "secretaccesskey")) or said[0] == "authorization":
        return Telling.CERTAIN, False
    if said[-1] in (
        "tokens",
        "secrets",
        "passwords",
        "credential",
        "credentials",
        "auth",
        "bearer",
        "cookie",
        "cookies",
    ):
        return Telling.LIKELY, False
    return (Telling.LIKELY, False) if said[-1] in ("pins", "otps", "apikeys", "authorization") else None


def _key(said: list[str], joined: str) -> tuple[Telling, bool] | None:
    if said[-1] not in ("key", "keys"):
        return (Telling.KEY, False) if said[-1] in ("ticket", "cert", "license", "salt", "seed", "invite") else None
    if len(said) == 1:
        return Telling.KEY, False
    if said[-2] in _KEYS or joined.endswith("apikeys"):
        return (Telling.CERTAIN if said[-1] == "key" else Telling.LIKELY), False
    return (Telling.LIKELY, False) if said[-2] in _MAYBE_KEYS else None


def tells_sessions_apart(name: str) -> bool:
    """Whether a header that tells sessions apart may be left, because it does not let anybody in."""
    return not header_is_secret(name) and telling(name)[0] < Telling.CERTAIN


def header_is_secret(name: str) -> bool:
    """Whether a header is known to carry a key of some service."""
    return plain(name) in _HEADERS


def beside(name: str, siblings: Set[str], redirected: bool) -> bool:
    """Whether the names beside a name make it a secret. `redirected`: in an address, in which `state` tells too."""
    own = plain(name)
    if own == "code":
        return not siblings.isdisjoint(_REDIRECTED if redirected else _OAUTH)
    if own in ("sig", "signature"):
        return redirected and not siblings.isdisjoint(_SIGNED)
    return redirected and own in _PARAMETERS


def segment_is_telling(segment: str) -> bool:
    """Whether the next segment of a path may be a secret."""
    if _SEGMENT.fullmatch(segment):
        return True
    found = segment.removesuffix("s")
    return telling(found)[0] >= Telling.LIKELY or telling(segment)[0] >= Telling.LIKELY
