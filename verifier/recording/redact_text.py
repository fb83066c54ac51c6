"""Secrets in texts: parameters of addresses, `name=value`, credentials after their scheme, and shapes."""

from __future__ import annotations

import re
from collections.abc import Set
from urllib.parse import quote_plus

from verifier.recording.concealer import Concealer, decoded
from verifier.recording.secret_map import PREFIX
from verifier.recording.secret_names import Telling, plain
from verifier.recording.secret_shapes import is_plain

# A parameter of an address inside a text.
_PARAMETER = re.compile(r"(?<=[?&;#])([\w.\-\[\]%]+)=([^&#\s\"'<>]+)")
# What is in each name of the families, so that other names are passed over.
_FAMILIES = (
    r"token|secret|pass|pwd|api.?key|sess|sid|csrf|xsrf|otp|pin|cv[vcn]|iban|ssn|card|auth|saml|assertion|code|key"
    r"|credential|cookie|jwt|psw|pw\b|pan|kennwort|contrasena|motdepasse|mnemonic|seed|ccn"
)
_MAY_TELL = re.compile(_FAMILIES, re.I)
# `name=value` or `name: value`. What is quoted may be cut short. The lengths are limited, so time is linear.
_ASSIGNED = re.compile(
    rf"(?<![\w$.%-])(?=[\w.\[\]-]{{0,60}}?(?i:{_FAMILIES}))"
    r"""([A-Za-z_][\w.\[\]-]{1,60}+)(\\{0,3}["']?\s{0,3}(?:=>|[:=])\s{0,3})"""
    r"""(\"\"\"(?:.{0,4096}?)\"\"\"|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|\\{1,3}"(?:[^"\\]|\\[^"\\])*+(?:\\{1,3}"|\\?\Z)"""
    r"""|'[^'\n]*+'?|[^\s,;&"'<>(){}\[\]\\$]{1,4096}+)""",
    re.DOTALL,
)
# `{name: "password", value: "..."}` in a query of GraphQL, or written by hand.
_PAIR = re.compile(
    r"""((?:name|key|field|header)["']?\s{0,3}[:=]\s{0,3}["']([\w.-]{1,60})["']\s{0,3},\s{0,3}["']?value["']?\s{0,3}[:=]\s{0,3}["'])"""
    r"""((?:[^"'\\]|\\.)*+)"""
)
# "your PIN is 4711", "password hunter2", `--password hunter2`
_SAID = re.compile(
    r"((?<![\w-])(?:password|passwd|passcode|passphrase|otp|totp|pin|ssn|iban|cvv|cvc|api[ -]?key|access token"
    r"|(?:verification|security|one-time|login|access|recovery) code)(?:\s{1,3}(?:is|was|of|number))?[:=]?\s{1,3})"
    r"([^\s,;\"'<>()]{3,200})",
    re.I,
)
_FLAG = re.compile(r"(?<!\S)(--?[A-Za-z][\w-]{0,60})([ =]['\"]?)([^\s'\"]{1,4096})")
_SCHEME = re.compile(r"\b(Bearer|Basic|Token|Negotiate|ApiKey|DPoP|SSWS)(\s{1,3})([A-Za-z0-9+/=._~-]{8,4096})", re.I)


def redact_text(concealer: Concealer, text: str, name: str = "") -> str:
    """A text that is no document. `name` is the name that it stands beside, for the log."""
    if len(text) < 6:
        return text
    if ("?" in text or "#" in text) and "=" in text:
        siblings = frozenset(plain(found[0]) for found in _PARAMETER.findall(text))
        text = _PARAMETER.sub(lambda found: _parameter(concealer, found, siblings), text)
    if (":" in text or "=" in text) and _MAY_TELL.search(text):
        text = _PAIR.sub(lambda found: _pair(concealer, found), text)
        text = _ASSIGNED.sub(lambda found: _assigned(concealer, found), text)
    if " " in text:
        text = _SAID.sub(lambda found: _said(concealer, found), text)
        if "-" in text:
            text = _FLAG.sub(lambda found: _flag(concealer, found), text)
        text = _SCHEME.sub(lambda found: _scheme(concealer, found, name), text)
    return concealer.shapes(text, name or "text")


def _parameter(concealer: Concealer, found: re.Match[str], siblings: Set[str]) -> str:
    name, value = decoded(found[1]), decoded(found[2])
    if not concealer.is_secret(name, value, siblings, redirected=True):
        return found[0]
    return f"{found[1]}={quote_plus(concealer.conceal(name, value))}"


def _pair(concealer: Concealer, found: re.Match[str]) -> str:
    start, name, value = found.groups()
    return f"{start}{concealer.conceal(name, value)}" if concealer.is_secret(name, value) else found[0]


def _assigned(concealer: Concealer, found: re.Match[str]) -> str:
    name, mark, value = found.groups()
    bare = value.strip("\\\"'")
    quoted = len(bare) < len(value)
    if not concealer.is_secret(name, bare):
        return found[0]
    told, numbers = concealer.telling(name)
    if not quoted and not _stands_alone(bare, mark, told is Telling.CERTAIN, numbers):
        return found[0]
    start = value.index(bare)
    return f"{name}{mark}{value[:start]}{concealer.conceal(name, bare)}{value[start + len(bare) :]}"


def _stands_alone(value: str, mark: str, certain: bool, numbers: bool) -> bool:
    """Whether a value without quotes is one, and not the next word of a sentence or of a program."""
    if value.startswith(PREFIX):
        return False
    if mark == "=" and certain:
        return True
    if value.isdecimal():
        return numbers
    return not is_plain(value) and (any(map(str.isdigit, value)) or len(value) >= 16) and value[-1] not in "!?"


def _said(concealer: Concealer, found: re.Match[str]) -> str:
    start, value = found.groups()
    bare = value.rstrip(".!?:")
    if len(bare) < 4 or not any(map(str.isdigit, bare)) or (is_plain(bare) and not bare.isdecimal()):
        return found[0]
    return f"{start}{concealer.conceal('text', bare)}{value[len(bare) :]}"


def _flag(concealer: Concealer, found: re.Match[str]) -> str:
    flag, mark, value = found.groups()
    if flag == "-u" and ":" in value:  # of curl
        user, _, password = value.partition(":")
        return f"{flag}{mark}{user}:{concealer.conceal(flag, password)}"
    if concealer.telling(flag)[0] < Telling.CERTAIN or value.startswith("-") or not concealer.is_secret(flag, value):
        return found[0]
    return f"{flag}{mark}{concealer.conceal(flag, value)}"


def _scheme(concealer: Concealer, found: re.Match[str], name: str) -> str:
    scheme, space, secret = found.groups()
    if secret.startswith(PREFIX) or is_plain(secret) or not (any(map(str.isdigit, secret)) or len(secret) >= 20):
        return found[0]
    if scheme.lower() == "basic":
        return f"{scheme}{space}{concealer.basic(name or scheme, secret)}"
    return f"{scheme}{space}{concealer.conceal(name or scheme, secret)}"
