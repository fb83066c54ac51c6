"""The values of an XML document: the texts and attributes of its elements, by the way that leads to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

_LARGEST = 4 * 1024 * 1024  # bytes; a larger document is an export
_DEEPEST = 64

Found = tuple[str, str, str, str]  # key, name, the name of what it is in, value


class _Unsupported(Exception):
    pass


@dataclass(slots=True)
class _Element:
    name: str
    parent: _Element | None
    number: int = 0
    text: list[str] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)  # by the name of what is in it

    def path(self) -> str:
        """Known once the document has ended: elements with one name in one parent differ by their number."""
        if self.parent is None:
            return ""
        number = f"/{self.number}" if self.parent.last[self.name] else ""
        return f"{self.parent.path()}/{self.name}{number}"


class _Document:
    def __init__(self) -> None:
        self.found: list[tuple[_Element, str, str]] = []  # where, the attribute's name or "", value
        self._open = [_Element("", None)]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > _DEEPEST:
            raise _Unsupported
        parent, local = self._open[-1], _local(name)
        parent.last[local] = parent.last.get(local, -1) + 1
        element = _Element(local, parent, parent.last[local])
        self._open.append(element)
        self.found += [
            (element, key, value) for key, value in attributes.items() if value and not key.startswith("xmlns")
        ]

    def data(self, text: str) -> None:
        self._open[-1].text.append(text)

    def end(self, name: str) -> None:
        element = self._open.pop()
        text = "".join(element.text).strip()
        if text:
            self.found.append((element, "", text))

    def entity(self, *declared: object) -> None:
        """A document with its own entities may be short and expand without end."""
        raise _Unsupported


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def values(body: bytes) -> list[Found] | None:
    """In the order in which elements end, their attributes before; the key finds the same place in another response.

    Names are without their prefixes. None for what is no XML, larger than 4 MiB, nested deeper than 64 elements, or
    declares entities.
    """
    if len(body) > _LARGEST:
        return None
    document, parser = _Document(), expat.ParserCreate()
    parser.StartElementHandler = document.start
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.data
    parser.EntityDeclHandler = document.entity
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, _Unsupported, LookupError, ValueError):  # the latter two: an encoding that nobody knows
        return None
    return [_found(*one) for one in document.found]


def _found(element: _Element, attribute: str, value: str) -> Found:
    path = element.path()[1:]
    if attribute:
        return f"{path}/@{attribute}", _local(attribute), element.name, value
    return path, element.name, element.parent.name if element.parent else "", value


def without_first_index(key: str) -> str:
    """The key without the index of a first element, so that it is found whether or not others follow it."""
    return key.replace("/0", "")
