"""Writing exchanges observed by the proxy as entries of a HAR file, with notes that HAR has no field for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.http.message import header
from verifier.recording.harwriter import HarWriter
from verifier.recording.model import Exchange
from verifier.recording.redact import Redaction


@dataclass(frozen=True, slots=True)
class ObservedExchange:
    """One exchange as the proxy saw it.

    `note` becomes the entry's comment. `response_size` is the true size in bytes of a response's body that was too
    large to keep, else -1. `kind` is "", "eventsource" or "websocket".
    """

    exchange: Exchange
    client: str = ""
    connection: str = ""
    note: str = ""
    response_size: int = -1
    kind: str = ""


class RecordingFile(HarWriter):
    """A HAR file with notes, client addresses and connections, from which readers find the sessions.

    With `session_header`, exchanges with equal values of that header share a session; the values themselves are
    not written as session names, because they may be secret.
    """

    def __init__(self, path: Path, redact: Redaction, session_header: str | None, began: float) -> None:
        super().__init__(path, redact, began)
        self.count = 0
        self.left_out: list[str] = []  # a sentence for each exchange that cannot be replayed
        self._session_header = session_header
        self._sessions: dict[str, str] = {}
        self._seen: ObservedExchange | None = None

    def put(self, seen: ObservedExchange) -> None:
        """Append one exchange. Raises OSError when the disk does not take it."""
        self._seen = seen
        self.add(seen.exchange, self._session(seen.exchange))
        self.count += 1
        if seen.kind == "websocket" or not seen.exchange.response.status:
            request = seen.exchange.request
            self.left_out.append(f"{request.method} {request.path}: {seen.note or seen.kind or 'no answer'}")

    def _session(self, exchange: Exchange) -> str:
        value = header(exchange.request.headers, self._session_header) if self._session_header else None
        return self._sessions.setdefault(value, f"s{len(self._sessions) + 1}") if value else ""

    def _entry(self, exchange: Exchange, session: str) -> dict[str, Any]:
        entry = super()._entry(exchange, session)
        seen = self._seen
        if seen is None:
            return entry
        if not session:
            del entry["_session"]
        entry["_clientAddress"] = seen.client
        entry["connection"] = seen.connection
        if seen.note:
            entry["comment"] = seen.note
        if seen.kind:
            entry["_kind"] = seen.kind
        if seen.response_size >= 0:
            content = entry["response"]["content"]
            content.pop("text", None)
            content.pop("encoding", None)
            content["size"] = entry["response"]["bodySize"] = seen.response_size
            content["comment"] = seen.note
        return entry
