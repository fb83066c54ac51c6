"""Moments written as text: recognised, shifted, and written again in the format that they had."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Literal

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?(Z|z|[+-]\d\d:?\d\d)?\Z")
# The basic format of ISO 8601, as in iCalendar (RFC 5545, section 3.3.5) and in signatures of requests.
_BASIC = re.compile(r"(\d{8}T\d{4}(?:\d\d)?)(Z|[+-]\d{4})?\Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
_HTTP = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:[A-Z][a-z]{2}) \d{4} \d\d:\d\d:\d\d GMT\Z")
_UNITS = {10: 1, 13: 1_000, 16: 1_000_000, 19: 1_000_000_000}  # digits of an epoch: parts of a second
_LATEST = 253_402_300_799.0  # the last second that a calendar of four digits has


@dataclass(frozen=True, slots=True)
class Moment:
    """`seconds` since the epoch; without a zone the text is taken as UTC."""

    kind: Literal["iso", "basic", "date", "http", "epoch"]
    seconds: float
    text: str

    def shifted(self, by: float) -> str:
        """The moment `by` seconds later, in the same format."""
        if self.kind == "epoch":
            whole, dot, fraction = self.text.partition(".")
            unit = _UNITS[len(whole)]
            moved = int(whole) + round(by * unit)
            return f"{max(0, moved)}{dot}{fraction}"
        moment = datetime.fromtimestamp(min(max(0.0, self.seconds + by), _LATEST), UTC)
        if self.kind == "date":
            return moment.strftime("%Y-%m-%d")
        if self.kind == "basic":
            return _basic(self.text, moment)
        if self.kind == "http":
            return format_datetime(moment, usegmt=True)
        return _iso(self.text, moment)


def moment(text: str) -> Moment | None:
    """The moment that a text stands for: ISO 8601, extended or basic, an HTTP date, an epoch in s, ms, µs or ns."""
    if not 10 <= len(text) <= 40:
        return None
    try:
        if text.isascii() and text.replace(".", "", 1).isdecimal():
            whole = text.partition(".")[0]
            unit = _UNITS.get(len(whole))
            return Moment("epoch", int(whole) / unit, text) if unit else None
        if _ISO.match(text):
            found = datetime.fromisoformat(text.replace("z", "Z"))
            return Moment("iso", _seconds(found), text)
        if _BASIC.match(text):
            return Moment("basic", _seconds(datetime.fromisoformat(text)), text)
        if _DATE.match(text):
            return Moment("date", _seconds(datetime.fromisoformat(text)), text)
        if _HTTP.match(text):
            return Moment("http", _seconds(parsedate_to_datetime(text)), text)
    except (ValueError, OverflowError):
        return None
    return None


def _seconds(found: datetime) -> float:
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _iso(text: str, moved: datetime) -> str:
    """The same separator, precision and offset as in `text`."""
    parts = _ISO.match(text)
    if parts is None:
        return text
    _, separator, clock, fraction, zone = parts.groups()
    moved += _offset(zone)
    written = moved.strftime("%Y-%m-%d") + separator + moved.strftime("%H:%M:%S" if len(clock) == 8 else "%H:%M")
    if fraction:
        written += "." + f"{moved.microsecond:06d}000"[: len(fraction) - 1]
    return written + (zone or "")


def _basic(text: str, moved: datetime) -> str:
    """The same precision and offset as in `text`."""
    parts = _BASIC.match(text)
    if parts is None:
        return text
    clock, zone = parts.groups()
    return (moved + _offset(zone)).strftime("%Y%m%dT%H%M%S" if len(clock) == 15 else "%Y%m%dT%H%M") + (zone or "")


def _offset(zone: str | None) -> timedelta:
    if not zone or zone in "Zz":
        return timedelta()
    digits = zone[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -away if zone[0] == "-" else away
