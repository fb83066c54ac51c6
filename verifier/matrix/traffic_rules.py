"""What a matrix says about the exchanges of a recording: secrets, patterns, computed values."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal


@dataclass(frozen=True, slots=True)
class Credential:
    """The source of the secret behind a placeholder in a redacted recording: a variable or the content of a file.

    `name` is the variable's name or the file's absolute path; `line` and `key` are its place in the matrix.
    """

    placeholder: str
    kind: Literal["env", "file"]
    name: str
    line: int
    key: str


@dataclass(frozen=True, slots=True)
class ExchangePattern:
    """Exchanges of a recording: by method ("": any) and by path, a glob in which `*` also matches slashes."""

    method: str
    path: str
    line: int
    key: str

    def matches(self, method: str, path: str) -> bool:
        return self.method in ("", method) and fnmatchcase(path, self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}".lstrip()


@dataclass(frozen=True, slots=True)
class ComputedRule:
    """Where a value stands and how it is computed.

    `kind` and `name`: a header, a parameter of the query, or a JSON pointer into the body. `over` is a template of
    parts of the request, such as `{header.X-Date}`, with `{body}` for all of the body. `key` is the name under which
    the key of an HMAC is kept among the credentials, "" for a plain digest. `only`: the exchanges that it is for;
    without any, it is for all.
    """

    kind: Literal["header", "query", "body"]
    name: str
    function: str
    over: str
    key: str
    only: tuple[ExchangePattern, ...]
    source: Credential | None  # of the key

    @property
    def keyed(self) -> bool:
        return self.key != ""

    def applies(self, method: str, path: str) -> bool:
        return not self.only or any(pattern.matches(method, path) for pattern in self.only)

    @property
    def place(self) -> str:
        """The runtime expression of the value."""
        return f"$request.body#{self.name}" if self.kind == "body" else f"$request.{self.kind}.{self.name}"
