"""Values out of a response by their locators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from verifier.correlation.model import Locator
from verifier.correlation.text import html, split, xml
from verifier.correlation.text.json import as_text, read_json
from verifier.correlation.text.selecting import select_all
from verifier.http.message import Response
from verifier.pointers import value_at

LONGEST_TEXT = 4096  # characters; longer texts are contents, not references


class ResponseReader:
    """One response, decoded at most once, out of which values are read by their locators.

    `pointers` are the JSON pointers that will be asked for. `members` reads their values from a body without decoding
    all of it.
    """

    __slots__ = ("_html", "_json", "_members", "_pointers", "_response", "_values", "_xml")

    def __init__(
        self, response: Response, pointers: Sequence[str] = (), members: Callable[[bytes], Any] | None = None
    ) -> None:
        self._response = response
        self._pointers = pointers
        self._members = members
        self._values: dict[str, Any] = {}
        self._json: Any = None
        self._html: dict[str, str] | None = None
        self._xml: dict[str, str] | None = None

    def value(self, locator: Locator) -> str | None:
        """The text at a locator; None where the response has nothing there."""
        text = self._whole(locator.part, locator.key)
        return select_all(locator.cuts, text) if locator.cuts else text

    def json(self) -> Any:
        """The body as a JSON document; MISSING if it is none."""
        if self._json is None:
            self._json = read_json(self._response.body)
        return self._json

    def _whole(self, part: str, key: str) -> str | None:
        if part == "json":
            return as_text(self._member(key))
        if part == "header":
            return self._header(key)
        if part == "cookie":
            return self._cookie(key)
        if part == "html":
            if self._html is None:
                self._html = {key: value for key, _, value in html.values(self._response.body)}
            return self._html.get(key)
        if part == "xml":
            if self._xml is None:
                found = xml.values(self._response.body) or ()
                self._xml = {xml.without_first_index(key): value for key, _, _, value in found}
            return self._xml.get(xml.without_first_index(key))
        return self._response.body[:LONGEST_TEXT].decode("utf-8", "replace").strip() or None

    def _member(self, pointer: str) -> Any:
        if self._members is None:
            return value_at(self.json(), pointer)
        if not self._values:
            found = self._members(self._response.body)
            self._values = dict(zip(self._pointers, found if len(self._pointers) > 1 else (found,), strict=True))
        return self._values[pointer]

    def _header(self, key: str) -> str | None:
        for name, value in self._response.headers:
            if name.lower() == key:
                return value
        return None

    def _cookie(self, name: str) -> str | None:
        for key, value in self._response.headers:
            if len(key) == 10 and key.lower() == "set-cookie":
                for part in split.cookie(value)[:1]:
                    if part.name == name:
                        return part.value
        return None
