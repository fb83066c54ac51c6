"""Secrets in XML, SOAP and HTML: texts of elements, attributes, and pairs of a name and a value."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from verifier.recording.concealer import Concealer
from verifier.recording.redact_text import redact_text
from verifier.recording.secret_map import PREFIX
from verifier.recording.secret_names import Telling

_TOKEN = re.compile(
    r"""<!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)|<!--(?P<comment>.*?)(?:-->|\Z)|(?P<tag><[/?!A-Za-z_](?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>)"""
    r"""|(?P<text>[^<]+|<)""",
    re.DOTALL,
)
_NAME = re.compile(r"</?([^\s<>/]+)")
_ATTRIBUTE = re.compile(r"""([^\s=<>"'/]+)(\s*=\s*)("[^"<]*"|'[^'<]*')""")
_LABELS = ("name", "key", "id", "property", "for", "http-equiv", "friendlyname", "itemprop")
_VALUES = ("value", "content", "data-value")
_NAMING = frozenset({"name", "key", "field", "parameter", "property"})
_VALUED = frozenset({"value", "val", "data", "content", "text", "string", "attributevalue"})
# Elements whose whole content proves who somebody is.
_WHOLE = frozenset({"assertion", "samlresponse", "encryptedassertion", "password", "credentials"})


@dataclass(slots=True)
class _Open:
    """An open element. `label` names the value of its content, given by an attribute or by an element in it."""

    name: str
    label: str
    whole: bool  # each text below it is secret


def looks_like_xml(text: str) -> bool:
    """Whether a text begins like a document of elements."""
    return re.match(r"\s*<[?!A-Za-z_][^:>]*(?::[^/]|>|\Z)", text) is not None


def redact_xml(concealer: Concealer, text: str) -> str:
    """A document. All but the secrets stays as it is; it need not be well-formed."""
    return _Document(concealer).redacted(text)


class _Document:
    def __init__(self, concealer: Concealer) -> None:
        self._concealer = concealer
        self._open: list[_Open] = [_Open("", "", False)]

    def redacted(self, text: str) -> str:
        return "".join(map(self._token, _TOKEN.finditer(text)))

    def _token(self, found: re.Match[str]) -> str:
        if found["tag"] is not None:
            return self._tag(found[0])
        if found["cdata"] is not None:
            start, end = found.start("cdata") - found.start(), found.end("cdata") - found.start()
            return found[0][:start] + self._text(found["cdata"], escaped=False) + found[0][end:]
        if found["comment"] is not None:
            return redact_text(self._concealer, found[0], "comment")
        return self._text(found[0], escaped=True)

    def _tag(self, tag: str) -> str:
        named = _NAME.match(tag)
        name = _local(named[1]) if named else ""
        if tag.startswith("</"):
            self._close(name)
            return tag
        label = self._label(tag)
        redacted = _ATTRIBUTE.sub(lambda found: self._attribute(found, label), tag) if "=" in tag else tag
        if named and tag[1] not in "!?" and not tag.endswith("/>"):
            whole = self._open[-1].whole or name.lower() in _WHOLE
            self._open.append(_Open(name, label, whole))
            del self._open[1:-200]  # what never closes
        return redacted

    def _close(self, name: str) -> None:
        for number in range(len(self._open) - 1, 0, -1):
            if self._open[number].name == name:
                del self._open[number:]
                return

    def _label(self, tag: str) -> str:
        found = {_local(name).lower(): value[1:-1] for name, _, value in _ATTRIBUTE.findall(tag)}
        return next((html.unescape(found[key]) for key in _LABELS if key in found), "")

    def _attribute(self, found: re.Match[str], label: str) -> str:
        name, mark, quoted = found.groups()
        value = html.unescape(quoted[1:-1])
        told = label if _local(name).lower() in _VALUES and label else _local(name)
        if name.lower().startswith("xmlns") or _local(name).lower() in _LABELS:
            return found[0]
        if self._concealer.is_secret(told, value):
            hidden = html.escape(self._concealer.conceal(told, value))
        else:
            hidden = redact_text(self._concealer, quoted[1:-1], told)
        return f"{name}{mark}{quoted[0]}{hidden}{quoted[0]}"

    def _text(self, text: str, escaped: bool) -> str:
        bare = text.strip()
        if not bare:
            return text
        value = html.unescape(bare) if escaped else bare
        element = self._open[-1]
        if element.name.lower() in _NAMING and len(self._open) > 1:
            self._open[-2].label = value
        name = self._name()
        if element.whole and not value.startswith(PREFIX) and len(value) > 3:
            hidden = self._concealer.conceal(name or "element", value)
        elif self._concealer.is_secret(name, value):
            hidden = self._concealer.conceal(name, value)
        else:
            hidden = redact_text(self._concealer, value, name)
        if hidden == value:
            return text
        start = text.index(bare)
        return text[:start] + (html.escape(hidden, quote=False) if escaped else hidden) + text[start + len(bare) :]

    def _name(self) -> str:
        """What names the text here: its element, a label, or what the element is the value of."""
        at = len(self._open) - 1
        while at > 1 and self._open[at].name.lower() in _VALUED and not self._tells(self._open[at].label):
            at -= 1
        element = self._open[at]
        if self._tells(element.label):
            return element.label
        above, telling = self._open[max(0, at - 1)].name, self._concealer.telling
        soft = telling(above)[0] is Telling.LIKELY and telling(element.name)[0] < Telling.LIKELY
        return f"{above}_{element.name}" if soft else element.name

    def _tells(self, label: str) -> bool:
        return bool(label) and self._concealer.telling(label)[0] > Telling.NOTHING


def _local(name: str) -> str:
    return name.rpartition(":")[2]
