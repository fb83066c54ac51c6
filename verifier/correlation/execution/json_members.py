"""Single members of JSON bodies, read without decoding all the rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from verifier.correlation.text.json import read_json
from verifier.pointers import MISSING, is_index, names, value_at

Members = Callable[[bytes], Any]
_Tree = dict[str, "_Tree"]  # by member names; a leaf is empty


@lru_cache(maxsize=4096)
def member_reader(*pointers: str) -> Members:
    """A function from a body to the value at a JSON pointer, or to a tuple of them for several; MISSING for none.

    Equal to `value_at(read_json(body), pointer)`, but the decoder knows only the members on the way and skips all
    others. It is used for ASCII bodies alone, as skipping does not validate UTF-8. It accepts one thing that `json`
    refuses: an integer of more than 4300 digits in what is skipped.
    """

    def whole(body: bytes) -> Any:
        document = read_json(body)
        found = tuple(value_at(document, pointer) for pointer in pointers)
        return found if len(found) > 1 else found[0]

    tree = _tree(pointers)
    if tree is None:
        return whole
    try:
        decode = msgspec.json.Decoder(_struct(tree)).decode
    except ValueError:  # no field can have a name with quotes, or one that is no UTF-8
        return whole
    get = attrgetter(*(_path(tree, pointer) for pointer in pointers))

    def read(body: bytes) -> Any:
        try:
            return get(decode(body)) if body.isascii() else whole(body)
        except (msgspec.DecodeError, RecursionError):
            return whole(body)  # no JSON, or something else than objects on the way

    return read


def _tree(pointers: tuple[str, ...]) -> _Tree | None:
    """None where a whole document is wanted, an element of a list, or both a value and something inside of it."""
    root: _Tree = {}
    for pointer in pointers:
        path = names(pointer)
        if not path or any(is_index(name) for name in path):
            return None
        if any(other.startswith(f"{pointer}/") for other in pointers):
            return None
        node = root
        for name in path:
            node = node.setdefault(name, {})
    return root


def _struct(tree: _Tree) -> type[msgspec.Struct]:
    """One field for each member; what is missing stays MISSING, at any depth."""
    fields: list[tuple[str, Any, Any]] = []
    for number, inner in enumerate(tree.values()):
        kind = _struct(inner) if inner else Any
        fields.append((f"f{number}", kind, kind() if inner else MISSING))
    renamed = {f"f{number}": name for number, name in enumerate(tree)}
    return msgspec.defstruct("Members", fields, rename=renamed, frozen=True, gc=False)


def _path(tree: _Tree, pointer: str) -> str:
    fields = []
    for name in names(pointer):
        fields.append(f"f{list(tree).index(name)}")
        tree = tree[name]
    return ".".join(fields)
