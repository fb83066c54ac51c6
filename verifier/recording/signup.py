"""Which requests make an account."""

from __future__ import annotations

import re

_SIGN_UP = re.compile(
    r"/(register|registrations?|sign-?_?up|join|enrol+|accounts?|users?|members?|customers?|people|profiles?)"
    r"(/(create|new|add|register|sign-?up|email))?/?(\?|\Z)",
    re.I,
)


def signs_up(method: str, target: str, status: int) -> bool:
    """Whether a request has made an account: a write to such a place that was not refused."""
    return method in ("POST", "PUT") and status < 400 and _SIGN_UP.search(target) is not None
