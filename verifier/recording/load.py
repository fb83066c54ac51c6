"""Read a recording of any known format."""

from __future__ import annotations

from pathlib import Path

from verifier.recording.goreplay import read_goreplay
from verifier.recording.har import read_har
from verifier.recording.jsonl import read_jsonl
from verifier.recording.model import Recording


def load(path: Path, session_header: str | None = None) -> Recording:
    """Read `path` by its suffix: `.gor` is GoReplay, `.jsonl` and `.ndjson` are JSON lines, all else is HAR 1.2.

    `session_header` names a request header whose value tells the sessions apart. Exchanges come in time order,
    `at` and `took` in whole microseconds. Framing headers (content-length, transfer-encoding) and HTTP/2 pseudo
    headers are dropped, and bodies are decoded: whoever sends them frames them anew.

    Raises BadInput with file, line and key for anything that cannot be replayed as recorded.
    """
    suffix = path.suffix.lower()
    if suffix == ".gor":
        return read_goreplay(path, session_header)
    if suffix in (".jsonl", ".ndjson"):
        return read_jsonl(path, session_header)
    return read_har(path, session_header)
