"""Which values are secret by their shape alone, whatever their name: keys of known services, tokens, cards, accounts.

The formats are public: RFC 7519 (JWT), RFC 7468 (PEM), ISO/IEC 7812 (card numbers), ISO 13616 (IBAN), and what the
services document about their keys so that scanners find them. Most are also in the rules of detect-secrets and
gitleaks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable


def _whole(pattern: str) -> re.Pattern[str]:
    """A pattern for a word of its own."""
    return re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])")


# A text that is in each such value, which is searched first because that takes no time; and the value.
_KEYS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("eyJ", re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}")),
    ("-----BEGIN", re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*-+|\Z)", re.S)),
    *((four, _whole(f"{four}[0-9A-Z]{{16}}")) for four in ("AKIA", "ASIA", "ABIA", "ACCA")),
    *((f"gh{kind}_", _whole(rf"gh{kind}_[A-Za-z0-9]{{30,255}}")) for kind in "pousr"),
    ("github_pat_", _whole(r"github_pat_\w{22,255}")),
    ("gl", _whole(r"gl(?:pat|dt|rt|ptt|soat|cbt|ft|imt|agent|oas)-[\w-]{20,}")),
    ("xox", _whole(r"xox[abeoprs][-.][A-Za-z0-9.-]{10,}")),
    ("xapp-", _whole(r"xapp-\d-[A-Za-z0-9-]{10,}")),
    ("hooks.slack.com/", re.compile(r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[A-Za-z0-9/]{20,}")),
    ("_live_", _whole(r"(?:sk|rk|pk)_live_[0-9A-Za-z]{10,}")),
    ("_test_", _whole(r"(?:sk|rk|pk)_test_[0-9A-Za-z]{10,}")),
    ("whsec_", _whole(r"whsec_[A-Za-z0-9+/=]{16,}")),
    ("AIza", _whole(r"AIza[\w-]{35}")),
    ("ya29.", re.compile(r"(?<![A-Za-z0-9])ya29\.[\w-]{20,}")),
    ("GOCSPX-", _whole(r"GOCSPX-[\w-]{20,}")),
    ("sk-", _whole(r"sk-(?:proj-|svcacct-|admin-|ant-[a-z0-9]+-|or-v1-)?[A-Za-z0-9_-]*\d[A-Za-z0-9_-]{10,}")),
    ("SG.", _whole(r"SG\.[\w-]{16,}\.[\w-]{16,}")),
    ("AC", _whole(r"AC[0-9a-f]{32}")),
    ("SK", _whole(r"SK[0-9a-f]{32}")),
    ("key-", _whole(r"key-[0-9a-f]{32}")),
    ("-us", _whole(r"[0-9a-f]{32}-us\d{1,2}")),
    ("npm_", _whole(r"npm_[A-Za-z0-9]{36}")),
    ("pypi-", _whole(r"pypi-[\w-]{16,}")),
    ("sq0", _whole(r"sq0(?:atp|csp|idp)-[\w-]{22,}")),
    ("EAAA", _whole(r"EAAA[\w-]{50,}")),
    (":AA", _whole(r"\d{8,10}:AA[\w-]{32,33}")),
    ("do", _whole(r"do[opr]_v1_[0-9a-f]{64}")),
    ("shp", _whole(r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}")),
    ("hf_", _whole(r"hf_[A-Za-z0-9]{30,}")),
    ("lin_api_", _whole(r"lin_api_[A-Za-z0-9]{32,}")),
    ("hv", _whole(r"hv[sbr]\.[\w-]{20,}")),
    ("AT", _whole(r"AT(?:ATT|CTT|BB)3?[A-Za-z0-9_=-]{24,}")),
    ("dapi", _whole(r"dapi[0-9a-f]{32}(?:-\d)?")),
    ("NRAK-", _whole(r"NRAK-[A-Z0-9]{27}")),
    ("PMAK-", _whole(r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}")),
    ("dp.", _whole(r"dp\.(?:pt|st|ct|scim|audit)\.[\w.-]{30,}")),
    ("atlasv1", _whole(r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}")),
    ("gls", _whole(r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}")),
    ("glc_", _whole(r"glc_[A-Za-z0-9+/=]{32,}")),
    ("dckr_", _whole(r"dckr_[po]at_[\w-]{20,}")),
    ("ntn_", _whole(r"ntn_[A-Za-z0-9]{40,}")),
    ("fig", _whole(r"fig[duo]_[\w-]{30,}")),
    ("sb", _whole(r"(?:sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,})")),
    ("rubygems_", _whole(r"rubygems_[0-9a-f]{48}")),
    ("AGE-SECRET-KEY-", _whole(r"AGE-SECRET-KEY-1[0-9A-Z]{58}")),
    ("AccountKey=", re.compile(r"(?<=AccountKey=)[A-Za-z0-9+/]{40,}={0,2}")),
    ("SharedAccessKey=", re.compile(r"(?<=SharedAccessKey=)[A-Za-z0-9+/]{20,}={0,2}")),
    ("discord", re.compile(r"(?<=/api/webhooks/)\d{17,20}/[\w-]{60,}")),
    (".", _whole(r"[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}")),
    # A password before the host of an address, such as postgres://user:password@db.
    ("://", re.compile(r"(?<=://)(?:[^\s/:@\"'<>]{0,64}):[^\s/@\"'<>]{1,128}(?=@)")),
)  # fmt: skip
_DIGITS = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
_BRAND = re.compile(
    r"4\d{15}|4\d{18}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|6011\d{12}|65\d{14}"
    r"|64[4-9]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}|(?:50|5[6-9]|67)\d{14}"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_FOUR_DIGITS = re.compile(r"\d\d[ -]?\d\d")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
_PLAIN = re.compile(
    r"[A-Za-z]?[a-z]*(?:[ ,_.'-]+[A-Za-z]?[a-z]*)*[.!?]?|[A-Z]{1,8}|[+-]?\d{1,5}(?:\.\d+)?"
    r"|\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?|\w+/[\w.+*-]+|\*+"
)
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=.~-]+")
_RANDOM_BITS = 3.2  # per character, at least; random hexadecimal text of 32 characters has 3.6


def hide_shapes(text: str, hide: Callable[[str], str]) -> str:
    """The text with what is secret by its shape replaced. `hide` gives the replacement of a secret."""
    for sign, pattern in _KEYS:
        if sign in text:
            text = pattern.sub(lambda found: _hidden(found[0], hide), text)
    if _FOUR_DIGITS.search(text):
        text = _DIGITS.sub(lambda found: hide(found[0]) if is_card(found[0]) else found[0], text)
        text = _IBAN.sub(lambda found: hide(found[0]) if is_iban(found[0]) else found[0], text)
    return text


def _hidden(found: str, hide: Callable[[str], str]) -> str:
    user, mark, password = found.partition(":")
    if mark and not user.isdecimal() and not found.startswith("-----"):
        return f"{user}:{hide(password)}"  # of an address
    return hide(found)


def is_card(text: str) -> bool:
    """Whether a text of digits, perhaps in groups, is a card number: a known issuer and a right check digit (Luhn)."""
    digits = text.replace(" ", "").replace("-", "")
    if not digits.isascii() or not _BRAND.fullmatch(digits):
        return False
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0 and len(set(digits)) > 2


def is_iban(text: str) -> bool:
    """Whether a text is an account number with right check digits."""
    compact = text.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(letter, 36)) for letter in compact[4:] + compact[:4])) % 97 == 1


def is_plain(text: str) -> bool:
    """Whether a value is a word, a name, a sentence, a small number, a date or an address, as values mostly are."""
    text = text.strip()
    if not text or text.lower() in ("true", "false", "null", "none", "undefined"):
        return True
    if "://" in text or (text.count(" ") >= 3 and not text.startswith("-----")):
        return True
    return len(text) <= 40 and _PLAIN.fullmatch(text) is not None and not (len(text) > 20 and " " not in text)


def is_random(text: str) -> bool:
    """Whether a value is long, of one piece, and random. Identifiers such as UUIDs are not meant."""
    if not 16 <= len(text) <= 512 or _UUID.fullmatch(text) or not _OPAQUE.fullmatch(text) or is_plain(text):
        return False
    if not any(map(str.isdigit, text)) or not any(map(str.isalpha, text)) or text.startswith(("/", ".")):
        return False
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts) >= _RANDOM_BITS


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None
