"""Whether a recording that is about to be replayed holds what looks like secrets."""

from __future__ import annotations

import re
from collections import Counter

from verifier.recording.concealer import Redaction
from verifier.recording.model import Exchange, Recording
from verifier.recording.redact import Redactor
from verifier.recording.secret_names import tells_sessions_apart

_ALIKE = 3  # exchanges of one kind that are searched; a search of all would take as long as the plan
_SHOWN = 3
_VARIABLE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\w*\d\w*")


def session_header_kept(session_header: str | None) -> Redaction:
    """A redaction that leaves the header that tells sessions apart, unless it lets somebody in."""
    kept = session_header is not None and tells_sessions_apart(session_header)
    return Redaction().also(keep=(session_header,) if session_header and kept else ())


def suspicion(recording: Recording, session_header: str | None) -> str:
    """A sentence if the recording holds what looks like secrets, else ""."""
    redactor = Redactor(session_header_kept(session_header))
    seen: Counter[tuple[object, ...]] = Counter()
    for session in recording.sessions:
        for exchange in session.exchanges:
            kind = _kind(exchange)
            seen[kind] += 1
            if seen[kind] <= _ALIKE:
                redactor.exchange(exchange)
    found = redactor.log.redacted - redactor.log.numbers  # a number is not seen to have been redacted already
    if not found:
        return ""
    shown = ", ".join(f"{place} {name}" for place, name in sorted(found)[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return (
        f"{recording.file} holds what looks like secrets ({shown}{more}); `verifier redact {recording.file}` "
        "writes a copy without them"
    )


def _kind(exchange: Exchange) -> tuple[object, ...]:
    request, response = exchange.request, exchange.response
    names = (name for name, _ in (*request.headers, *response.headers))
    return (request.method, exchange.host, _VARIABLE.sub("*", request.path), response.status, *names)
