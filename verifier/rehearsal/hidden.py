"""Which of the caller's variables are masked in histories, logs and reports, as the secrets of real accounts are."""

from __future__ import annotations

import re
from collections.abc import Iterable

from verifier.replay.credentials import SHORTEST

_LONG = 8  # characters; such a value occurs nowhere by accident
_NAME = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|AUTH", re.IGNORECASE)


def hidden(variables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The values to mask, by what stands in their place: those that are long, or whose name says that they are secret.

    A shorter one, such as `true`, could not be kept out: it would be masked wherever it occurs by accident.
    """
    return {
        f"${{env.{name}}}": value
        for name, value in variables
        if len(value) >= _LONG or (len(value) >= SHORTEST and _NAME.search(name))
    }
