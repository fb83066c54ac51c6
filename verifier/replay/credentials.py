"""Secrets of real accounts: inserted into requests just before they are sent, masked in everything that is written.

Elsewhere requests carry the placeholders of the redacted recording. A response may echo a secret in any encoding:
plain, percent-encoded, escaped in JSON or HTML, inside base64 (as in `Authorization: Basic`), compressed. Every
record is masked before it reaches the disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, quote_plus

from msgspec import structs

from verifier.correlation.text.base64 import Base64Swap
from verifier.errors import BadInput, Problem
from verifier.gateway.streaming import UNFINISHED
from verifier.history.model import End, Note, Operation, ReplicaEvent, Step, StoreRows
from verifier.history.store import Record
from verifier.http.coding import limit_accept_encoding, try_decode, without_content_encoding
from verifier.http.message import Headers, Request, Response, header
from verifier.matrix.traffic_rules import Credential
from verifier.recording.placeholders import standing
from verifier.recording.secret_map import PREFIX
from verifier.replay.escapes import any_encoding

SHORTEST = 4  # characters; a shorter text occurs everywhere by accident and could not be masked
_LARGEST_FILE = 65536  # bytes
_MADE = re.compile(rf"{PREFIX}[0-9a-f]{{24}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_Quote = Callable[[str], str]


class Credentials:
    """The secrets by placeholder. The representation shows only the placeholders."""

    __slots__ = ("_base64_in", "_base64_out", "_in", "_masks", "_out", "_secrets")

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)
        names = sorted(secrets, key=len, reverse=True)
        self._in = re.compile("|".join(map(_exactly, names)))
        self._base64_in = Base64Swap([(name, secrets[name]) for name in names], spoil=False)
        by_secret = {secrets[name]: name for name in secrets}
        ordered = sorted(by_secret, key=len, reverse=True)
        self._masks = tuple(by_secret[secret] for secret in ordered)
        self._out = re.compile("|".join(f"({any_encoding(secret)})" for secret in ordered))
        self._base64_out = Base64Swap([(secret, by_secret[secret]) for secret in ordered], spoil=True)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self._secrets)})"

    def __contains__(self, placeholder: str) -> bool:
        return placeholder in self._secrets

    # ---- into requests

    def insert(self, request: Request) -> Request:
        """The request as it is sent, with the secrets, each encoded as its place requires."""
        headers = tuple((name, self._into_header(name, value)) for name, value in request.headers)
        return Request(
            request.method,
            self._fill(request.target, _quoted),
            limit_accept_encoding(headers),
            self._into_body(request),
        )

    def _into_header(self, name: str, value: str) -> str:
        as_written = _quoted if name.lower() == "referer" else _in_latin1
        return self._base64_in.swap(self._fill(value, as_written))

    def _into_body(self, request: Request) -> bytes:
        if not request.body:
            return request.body
        # Placeholders are ASCII, so everything else stays unchanged in any charset.
        text = request.body.decode("latin-1")
        if "urlencoded" in (header(request.headers, "content-type") or "").lower():
            filled = self._fill(text, quote_plus)
        elif text.lstrip()[:1] in ("{", "["):
            filled = self._fill(text, _in_json)
        else:
            filled = self._fill(text, _in_latin1)
        return self._base64_in.swap(filled).encode("latin-1", "replace")

    def _fill(self, text: str, write: _Quote) -> str:
        return self._in.sub(lambda found: write(self._secrets[found[0]]), text)

    # ---- out of records and files

    def mask_text(self, text: str) -> str:
        """The text with every secret, in any encoding, replaced by its placeholder."""
        plain = self._out.sub(lambda found: self._masks[(found.lastindex or 1) - 1], text)
        return self._base64_out.swap(plain)

    def mask_bytes(self, data: bytes) -> bytes:
        """The same object where there is nothing to mask."""
        text = data.decode("latin-1")
        masked = self.mask_text(text)
        return data if masked == text else masked.encode("latin-1", "replace")

    def mask(self, record: Record) -> Record:
        """A record of a history as it may be written. The fields that name its place in the plan hold no secrets."""
        if isinstance(record, Operation):
            response = record.response
            return structs.replace(
                record,
                name=self._masked_name(record.name),
                request=self._masked_request(record.request),
                response=self._masked_response(response) if response is not None else None,
                produced=tuple((place, self.mask_text(value)) for place, value in record.produced),
            )
        if isinstance(record, Note):
            return structs.replace(record, message=self.mask_text(record.message))
        if isinstance(record, End):
            name, shown, wanted = self._masked_name(record.name), self.mask_text(record.shown), record.wanted
            return structs.replace(record, name=name, shown=shown, wanted=self.mask_text(wanted))
        if isinstance(record, ReplicaEvent):
            return structs.replace(record, detail=self.mask_text(record.detail), log=self.mask_text(record.log))
        if isinstance(record, Step):
            return structs.replace(record, error=self.mask_text(record.error))
        if isinstance(record, StoreRows):
            rows = tuple(map(self.mask_text, record.rows))
            return structs.replace(record, rows=rows, error=self.mask_text(record.error))
        return structs.replace(record, name=self._masked_name(record.name))

    def mask_files(self, folder: Path) -> None:
        """Mask the logs of services: a file that holds a secret is rewritten, line by line."""
        for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if not file.is_file():
                continue
            with file.open("rb") as lines:
                clean = all(self.mask_bytes(line) is line for line in lines)
            if not clean:
                part = file.with_name(f"{file.name}.part")
                with file.open("rb") as lines, part.open("wb") as masked:
                    masked.writelines(map(self.mask_bytes, lines))
                part.replace(file)

    def _masked_name(self, name: str) -> str:
        """Only a name made of a path can hold a secret, not one from a contract."""
        return self.mask_text(name) if "/" in name else name

    def _masked_request(self, request: Request) -> Request:
        headers, body = self._masked_message(request.headers, request.body)
        return Request(request.method, self.mask_text(request.target), headers, body)

    def _masked_response(self, response: Response) -> Response:
        return Response(response.status, *self._masked_message(response.headers, response.body))

    def _masked_message(self, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        headers = tuple((self.mask_text(name), self.mask_text(value)) for name, value in headers)
        parts = [part.strip().lower() for part in (header(headers, "content-encoding") or "").split(",")]
        codings = [part for part in parts if part not in ("", "identity", UNFINISHED)]
        if not codings or not body:
            return headers, self.mask_bytes(body)
        plain = try_decode(body, ",".join(codings))
        if plain is None:
            return headers, b""  # it cannot be decoded, so it may hold a secret
        masked = self.mask_bytes(plain)
        if masked is plain:
            return headers, body
        return without_content_encoding(headers), masked


def resolve(
    declared: Iterable[Credential],
    file: Path,
    environ: Mapping[str, str],
    hidden: Mapping[str, str] = MappingProxyType({}),
) -> Credentials | None:
    """The secrets that a matrix (`file`) names; None where it names none. `hidden` are further ones to mask, by what
    stands in their place.

    Raises BadInput for each that is missing, empty, too short to be masked, or cannot be sent. No message contains
    a secret.
    """
    secrets: dict[str, str] = {}
    sources: dict[str, tuple[str, str]] = {}
    problems = []
    for credential in declared:
        source = (credential.kind, credential.name)
        if sources.setdefault(credential.placeholder, source) != source:
            problem: str | None = f"{credential.placeholder} has another source in another recording"
            value = ""
        else:
            value, problem = _value(credential, environ)
        if problem:
            problems.append(Problem(str(file), credential.line, credential.key, problem))
        secrets[credential.placeholder] = value
    if problems:
        raise BadInput(sorted(set(problems)))
    secrets |= {name: value for name, value in hidden.items() if value not in secrets.values()}
    return Credentials(secrets) if secrets else None


def rejection_message(operation: Operation, credentials: Credentials | None) -> str:
    """The message about a request that was refused and holds placeholders without secrets; "" for any other."""
    response = operation.response
    if response is None or response.status not in (401, 403, 407):
        return ""
    unfilled = {
        name: place for name, place in standing(operation.request) if credentials is None or name not in credentials
    }
    if not unfilled:
        return ""
    places = ", ".join(f"{place} is {name}" for name, place in unfilled.items())
    return (
        f"was answered {response.status} to what was redacted: {places}; where the service checks it, name its source "
        f"in the matrix, beside the recording: credentials: {{{next(iter(unfilled))}: {{env: NAME}}}}"
    )


def _value(credential: Credential, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """The value, and the problem with it or None."""
    if credential.kind == "env":
        source = f"the environment variable {credential.name}"
        value = environ.get(credential.name)
        if value is None:
            return "", f"{source} is not set"
    else:
        source = f"the file {credential.name}"
        try:
            with Path(credential.name).open("rb") as stream:
                data = stream.read(_LARGEST_FILE + 1)
            value = data.decode("utf-8")
        except OSError as error:
            return "", f"{source} cannot be read: {error.strerror or type(error).__name__}"
        except UnicodeDecodeError:
            return "", f"{source} is not UTF-8 text"
        if len(data) > _LARGEST_FILE:
            return "", f"{source} is too large for a secret: more than {_LARGEST_FILE} bytes"
        value = value.removesuffix("\n").removesuffix("\r")
    if len(value) < SHORTEST:
        few = "is empty" if not value else f"holds fewer than {SHORTEST} characters, which could not be kept out"
        return "", f"{source} {few}" + ("" if not value else " of histories and reports")
    if _CONTROL.search(value) or not _encodable(value):
        return "", f"{source} holds a control character or what is no text: it could not be sent in a header"
    return value, None


def _encodable(value: str) -> bool:
    try:
        return bool(value.encode("utf-8"))
    except UnicodeEncodeError:
        return False


def _exactly(placeholder: str) -> str:
    """A pattern for a placeholder. One given by hand may begin another one; generated ones have one length."""
    return re.escape(placeholder) + ("" if _MADE.fullmatch(placeholder) else r"(?![A-Za-z0-9_])")


def _quoted(secret: str) -> str:
    return quote(secret, safe="")


def _in_latin1(secret: str) -> str:
    """The UTF-8 bytes of the secret, as clients write what Latin-1 cannot."""
    return secret.encode().decode("latin-1")


def _in_json(secret: str) -> str:
    return _in_latin1(json.dumps(secret, ensure_ascii=False)[1:-1])
