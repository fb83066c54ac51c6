"""Long bodies, kept once by content in `RUN/history/bodies.jsonl`. The records of a history refer to them.

A service may answer with everything that it has so far, and be asked again and again. So a line has only the bytes by
which a body differs from an earlier one: `base` is the digest of that one, and both have the first `start` and the last
`end` bytes in common.

A reference stands in the place of a body: MARK and the digest (BLAKE2b, 16 bytes). A body that itself begins with MARK
is kept like a long one, so that every reference is one.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections import deque
from hashlib import blake2b
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct, structs

from verifier.errors import BadInput
from verifier.files import opened
from verifier.history.model import Operation
from verifier.history.parts import files_of
from verifier.http.message import Response

NAME = "bodies.jsonl"
LONG = 2048  # bytes; a longer body is kept by its content
MARK = b"\0kept-by-content\0"
_RECENT = 8  # bodies with which a new one is compared


def kept_apart(body: bytes) -> bool:
    """Whether the history refers to a body instead of holding it."""
    return len(body) > LONG or body.startswith(MARK)


class KeptBody(Struct, frozen=True, gc=False, omit_defaults=True):
    """One line: a body, or what is between the first `start` and the last `end` bytes of its `base`."""

    digest: str
    body: bytes
    base: str = ""
    start: int = 0
    end: int = 0


class BodyWriter:
    """Writes each long body once. A body is in the file before its reference is returned, so a kill loses none."""

    __slots__ = ("_encode", "_file", "_known", "_recent")

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._known: set[bytes] = set()
        self._recent: deque[tuple[str, bytes]] = deque(maxlen=_RECENT)
        self._encode = msgspec.json.Encoder().encode

    def reference(self, body: bytes) -> bytes:
        """What the history has in the place of a body: the body itself, or a reference to it."""
        if not kept_apart(body):
            return body
        digest = blake2b(body, digest_size=16).digest()
        if digest not in self._known:
            self._file.write(self._encode(self._kept(digest.hex(), body)) + b"\n")
            self._file.flush()
            self._known.add(digest)
        return MARK + digest

    def base64(self, body: bytes) -> str:
        """The same in base64, as a line of the history has it."""
        return b2a_base64(self.reference(body), newline=False).decode()

    def refer(self, operation: Operation) -> Operation:
        """The operation with references in the place of long bodies; the same object where it has none."""
        request, response = operation.request, operation.response
        sent = self.reference(request.body)
        received = self.reference(response.body) if response is not None else b""
        if sent is request.body and (response is None or received is response.body):
            return operation
        return structs.replace(
            operation,
            request=structs.replace(request, body=sent),
            response=response and Response(response.status, response.headers, received),
        )

    def _kept(self, digest: str, body: bytes) -> KeptBody:
        found = KeptBody(digest, body)
        for base, other in self._recent:
            start = _same_start(body, other)
            end = _same_end(body[start:], other[start:])
            if len(body) - start - end < min(len(found.body), len(body) // 2):
                found = KeptBody(digest, body[start : len(body) - end], base, start, end)
        self._recent.append((digest, body))
        return found


def _same_start(one: bytes, other: bytes) -> int:
    """The number of bytes with which both begin. Halves are compared at once, which is as fast as copying them."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def _same_end(one: bytes, other: bytes) -> int:
    """The number of bytes with which both end."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.endswith(other[len(other) - middle : len(other) - low], 0, len(one) - low):
            low = middle
        else:
            high = middle - 1
    return low


class BodyReader:
    """Puts bodies in the place of references. The file is read at the first one; equal bodies are one object."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._bodies: dict[bytes, bytes] | None = None

    def restore(self, operation: Operation) -> Operation:
        """The operation as it was. Raises BadInput for a body that is missing or damaged."""
        request, response = operation.request, operation.response
        if request.body.startswith(MARK):
            operation = structs.replace(operation, request=structs.replace(request, body=self._body(request.body)))
        if response is not None and response.body.startswith(MARK):
            whole = Response(response.status, response.headers, self._body(response.body))
            operation = structs.replace(operation, response=whole)
        return operation

    def _body(self, reference: bytes) -> bytes:
        digest = reference.removeprefix(MARK)
        if self._bodies is None:
            self._bodies = self._read()
        found = self._bodies.get(digest)
        if found is None:
            raise BadInput.one(
                self._directory / "history" / NAME, f"has no body {digest.hex()}, to which the history refers"
            )
        return found

    def _read(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for file in files_of(self._directory, NAME):
            self._read_file(file, found)
        return found

    def _read_file(self, file: Path, found: dict[bytes, bytes]) -> None:
        decode = msgspec.json.Decoder(KeptBody).decode
        with opened(file) as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    kept = decode(line)
                    base = found[bytes.fromhex(kept.base)] if kept.base else b""
                    if not (0 <= kept.start <= len(base) and 0 <= kept.end <= len(base)):
                        raise ValueError("takes more of its base than there is")
                    whole = base[: kept.start] + kept.body + base[len(base) - kept.end :]
                    found[bytes.fromhex(kept.digest)] = whole
                except (msgspec.DecodeError, ValueError, KeyError) as error:
                    raise BadInput.one(file, f"is no body: {error}", line=number) from None
