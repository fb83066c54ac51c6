"""The values of an HTML page that a browser sends back: form fields, tokens in `meta`, links, what it loads."""

from __future__ import annotations

from html.parser import HTMLParser

_LOADED = frozenset({"script", "img", "iframe", "source", "audio", "video", "track", "embed"})
_LARGEST = 4 * 1024 * 1024  # bytes looked at


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str, str]] = []
        self._seen: dict[str, int] = {}
        self._link: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("input", "button", "option") and given.get("value"):
            name = given.get("name") or given.get("id", "")
            self._add(tag, name, name, given["value"])
        elif tag == "meta" and given.get("content"):
            name = given.get("name") or given.get("property", "")
            self._add(tag, name, name, given["content"])
        elif tag == "form" and given.get("action"):
            self._add(tag, given.get("id") or given.get("name", ""), "action", given["action"])
        elif tag == "a" and given.get("href"):
            self._link = (given["href"], [given.get("rel", "")])
        elif tag == "link" and given.get("href"):
            self._add(tag, given.get("rel", ""), "href", given["href"])
        elif tag in _LOADED:
            self._loaded(tag, given)

    def _loaded(self, tag: str, given: dict[str, str]) -> None:
        """What a browser loads with the page: a build has other names for its files than the one before."""
        label = given.get("id") or given.get("alt") or given.get("type", "")
        if given.get("src"):
            self._add(tag, label, "src", given["src"])
        for candidate in given.get("srcset", "").split(","):
            if address := candidate.strip().partition(" ")[0]:
                self._add(tag, label, "srcset", address)

    def handle_data(self, data: str) -> None:
        if self._link is not None:
            self._link[1].append(data.strip())

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._link is not None:
            href, texts = self._link
            self._add("a", " ".join(filter(None, texts))[:80], "href", href)
            self._link = None

    def _add(self, tag: str, label: str, name: str, value: str) -> None:
        """Elements of one kind and label differ by their number."""
        field = f"{tag}/{label}"
        number = self._seen[field] = self._seen.get(field, -1) + 1
        self.found.append((f"{field}/{number}" if number else field, name, value))


def values(body: bytes) -> list[tuple[str, str, str]]:
    """(key, name, value) in document order; the key finds the same element in another response to the same request."""
    page = _Page()
    try:
        page.feed(body[:_LARGEST].decode("utf-8", "replace"))
        page.close()
    except (AssertionError, ValueError):
        # The parser gives up on some malformed declarations; what came before them stays found.
        return page.found
    return page.found
