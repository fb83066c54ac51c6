"""Converts schemas of every dialect to self-contained JSON Schema 2020-12 documents, one for each direction.

OpenAPI 3.0 and Swagger 2.0 use a dialect of JSON Schema draft 5 (`nullable`, boolean `exclusiveMinimum`, siblings of
`$ref` ignored); OpenAPI 3.1 and AsyncAPI 3 use later drafts. All become 2020-12 here, so that no other code needs to
know the dialects. Annotations are dropped, except `default`, `readOnly` and `writeOnly`, which the comparison reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from verifier.contracts.document import Documents, Location
from verifier.contracts.model import Schema
from verifier.contracts.shapes import bare, defs_of
from verifier.contracts.weight import Applied

Direction = Literal["request", "response"]
Json = dict[str, Any] | bool
MOST_APPLIED = 100_000  # schemas that apply to one value, references followed

_SCHEMA_MAPS = ("properties", "patternProperties", "dependentSchemas")
_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMAS = ("additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames", "not", "if",
            "then", "else", "contains", "items")  # fmt: skip
_PLAIN = ("type", "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum", "maximum",
          "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "minContains",
          "maxContains", "minProperties", "maxProperties", "required", "dependentRequired", "default", "readOnly",
          "writeOnly", "contentEncoding", "contentMediaType")  # fmt: skip
_BASE64 = r"^[A-Za-z0-9+/_\-\s]*={0,2}\s*$"
_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null", "file")


def _number(item: Any) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)


def _names(item: Any) -> bool:
    return isinstance(item, list) and all(isinstance(name, str) for name in item)


_RULES: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number, "a number"),
    (("multipleOf",), lambda item: _number(item) and item > 0, "a number above 0"),
    (("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains"),
     lambda item: _number(item) and item >= 0 and float(item).is_integer(), "a whole number that is not negative"),
    (("pattern", "format", "contentEncoding", "contentMediaType"), lambda item: isinstance(item, str), "text"),
    (("uniqueItems", "readOnly", "writeOnly"), lambda item: isinstance(item, bool), "true or false"),
    (("required",), _names, "a list of names"),
    (("enum",), lambda item: isinstance(item, list), "a list"),
    (("dependentRequired",), lambda item: isinstance(item, dict) and all(map(_names, item.values())),
     "a mapping of names to lists of names"),
)  # fmt: skip


class Schemas:
    """Converts the schemas of one set of documents; shared definitions are converted once per direction."""

    def __init__(self, documents: Documents, *, old_dialect: bool) -> None:
        self._documents = documents
        self._old_dialect = old_dialect  # OpenAPI 3.0 and Swagger 2.0, where siblings of $ref are ignored
        self._names: dict[Location, str] = {}
        self._definitions: dict[tuple[Direction, str], Json] = {}
        self._uses: dict[tuple[Direction, str], set[str]] = {}
        self._places: dict[str, str] = {}
        self._applied: dict[Direction, Applied] = {}

    def schema(self, value: Any, at: Location, direction: Direction) -> Schema:
        """The complete schema at a place. Raises BadInput for a broken reference or a value that is not a schema."""
        uses: set[str] = set()
        node = self._convert(value, at, direction, uses)
        if isinstance(node, dict) and uses:
            node = {**node, "$defs": {n: self._definitions[direction, n] for n in sorted(self._reach(uses, direction))}}
        self._check_size(node, at, direction)
        return Schema(node, f"#{at.pointer}", self._places)

    def _check_size(self, node: Json, at: Location, direction: Direction) -> None:
        """Raise BadInput for a value to which a huge number of schemas apply: every reader would check them all."""
        count = self._applied.setdefault(direction, Applied())
        count.defs.update(defs_of(node))
        if count.of(bare(node)) > MOST_APPLIED:
            raise self._documents.bad(at, f"$ref makes more than {MOST_APPLIED} schemas apply to one value")

    def _reach(self, names: Iterable[str], direction: Direction) -> set[str]:
        reached: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(self._uses[direction, name])
        return reached

    def _reference(self, value: dict[str, Any], at: Location, direction: Direction, uses: set[str]) -> Json:
        target = self._documents.target(value.get("$ref", value.get("$dynamicRef")), at.down("$ref"))
        name = self._name(target)
        uses.add(name)
        if (direction, name) not in self._definitions:
            self._definitions[direction, name] = True  # a recursive schema finds this while it is being converted
            self._uses[direction, name] = set()
            found = self._documents.value(target, at.down("$ref"))
            self._definitions[direction, name] = self._convert(found, target, direction, self._uses[direction, name])
        reference: dict[str, Any] = {"$ref": f"#/$defs/{name}"}
        siblings = {key: item for key, item in value.items() if key not in ("$ref", "$dynamicRef")}
        if self._old_dialect or not siblings:
            return reference
        beside = self._convert(siblings, at, direction, uses)
        return (
            {**beside, "allOf": [reference, *beside.get("allOf", ())]} if beside and beside is not True else reference
        )

    def _name(self, target: Location) -> str:
        if target not in self._names:
            parts = [part for part in target.pointer.split("/") if part] or [target.file.stem]
            plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in parts[-1])
            name, count = plain, 2
            while name in self._places:
                name, count = f"{plain}-{count}", count + 1
            self._names[target] = name
            self._places[name] = f"#{target.pointer}"
        return self._names[target]

    def _convert(self, value: Any, at: Location, direction: Direction, uses: set[str]) -> Any:
        if isinstance(value, bool):
            return value
        if not isinstance(value, dict):
            raise self._documents.bad(at, "a schema must be a mapping")
        if "$ref" in value or "$dynamicRef" in value:
            return self._reference(value, at, direction, uses)

        def below(item: Any, *names: str | int) -> Any:
            return self._convert(item, at.down(*names), direction, uses)

        node = {key: value[key] for key in _PLAIN if key in value}
        for key in _SCHEMA_MAPS:
            if isinstance(value.get(key), dict):
                node[key] = {name: below(item, key, name) for name, item in value[key].items()}
        for key in _SCHEMA_LISTS:
            if isinstance(value.get(key), list) and value[key]:
                node[key] = [below(item, key, index) for index, item in enumerate(value[key])]
        for key in _SCHEMAS:
            if isinstance(value.get(key), dict | bool):
                node[key] = below(value[key], key)
        _older_drafts(node, value, below)
        self._check(node, value, at)
        _formats(node)
        self._discriminate(node, value, at)
        self._one_way(node, value, at, direction)
        return _nullable(node, value)

    def _check(self, node: dict[str, Any], value: dict[str, Any], at: Location) -> None:
        """Raise BadInput for a schema that no validator supports, with its place."""
        kinds = node.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind not in _TYPES:
                raise self._documents.bad(at.down("type"), f"unknown type {kind!r}")
        if kinds == [] and "type" in node:
            raise self._documents.bad(at.down("type"), "type must name a type")
        if node.get("type") == "file":
            node["type"] = "string"
        if isinstance(node.get("required"), bool):  # draft 3 style, which occurs in practice and has no meaning here
            del node["required"]
        for key, item in node.items():
            for keys, fits, what in _RULES:
                if key in keys and not fits(item):
                    raise self._documents.bad(at.down(key), f"{key} must be {what}")
        for key in (*_SCHEMA_MAPS, *_SCHEMA_LISTS):
            wanted = dict if key in _SCHEMA_MAPS else list
            if key in value and not isinstance(value[key], wanted):
                raise self._documents.bad(at.down(key), f"{key} must be a {'mapping' if wanted is dict else 'list'}")

    def _one_way(self, node: dict[str, Any], value: dict[str, Any], at: Location, direction: Direction) -> None:
        """A request does not require readOnly properties, and a response does not require writeOnly ones."""
        keyword = "readOnly" if direction == "request" else "writeOnly"
        properties = value.get("properties")
        if not isinstance(properties, dict) or "required" not in node:
            return
        left_out = set()
        for name, item in properties.items():
            if isinstance(item, dict) and "$ref" in item and not item.get(keyword):
                item, _ = self._documents.follow(item, at.down("properties", name))
            if isinstance(item, dict) and item.get(keyword) is True:
                left_out.add(name)
        node["required"] = [name for name in node["required"] if name not in left_out]

    def _discriminate(self, node: dict[str, Any], value: dict[str, Any], at: Location) -> None:
        """Each branch requires its own discriminator values, because readers choose by them (OpenAPI 3.1, 4.8.25)."""
        discriminator = value.get("discriminator")
        if not isinstance(discriminator, dict) or not isinstance(discriminator.get("propertyName"), str):
            return
        name, mapping = discriminator["propertyName"], discriminator.get("mapping") or {}
        if not isinstance(mapping, dict):
            raise self._documents.bad(at.down("discriminator", "mapping"), "mapping must be a mapping")
        for key in ("oneOf", "anyOf"):
            for index, branch in enumerate(value.get(key) or ()):
                if not isinstance(branch, dict) or not isinstance(branch.get("$ref"), str):
                    continue
                values = sorted(str(k) for k, target in mapping.items() if self._same(target, branch["$ref"], at))
                values = values or [branch["$ref"].rsplit("/", 1)[-1]]
                chosen = {"required": [name], "properties": {name: {"enum": values}}}
                node[key][index] = {"allOf": [node[key][index], chosen]}

    def _same(self, target: Any, reference: str, at: Location) -> bool:
        if not isinstance(target, str):
            return False
        if "/" not in target and "#" not in target and "." not in target:
            return reference.rsplit("/", 1)[-1] == target
        return self._documents.target(target, at) == self._documents.target(reference, at)


def _older_drafts(node: dict[str, Any], value: dict[str, Any], below: Callable[..., Any]) -> None:
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if node.get(exclusive) is True and limit in node:
            node[exclusive] = node.pop(limit)
        elif isinstance(node.get(exclusive), bool):
            del node[exclusive]
    if isinstance(value.get("items"), list):
        node["prefixItems"] = [below(item, "items", index) for index, item in enumerate(value["items"])]
        if isinstance(value.get("additionalItems"), dict | bool):
            node["items"] = below(value["additionalItems"], "additionalItems")
    dependencies = value.get("dependencies")
    for name, needed in dependencies.items() if isinstance(dependencies, dict) else ():
        if isinstance(needed, list):
            node.setdefault("dependentRequired", {})[name] = needed
        else:
            node.setdefault("dependentSchemas", {})[name] = below(needed, "dependencies", name)
    if "default" in node and node.get("type") == "object" and node["default"] is None:
        del node["default"]  # several generators write "no default" as `default: null` on an object


def _formats(node: dict[str, Any]) -> None:
    """Express formats that JSON Schema does not define as keywords: the range of int32, base64 for byte."""
    kinds = node.get("type")
    if node.get("format") == "int32" and (kinds in ("integer", "number") or (isinstance(kinds, list))):
        low, high = -(2**31), 2**31 - 1
        if not node.get("minimum", low) > low and "exclusiveMinimum" not in node:
            node["minimum"] = low
        if not node.get("maximum", high) < high and "exclusiveMaximum" not in node:
            node["maximum"] = high
    if node.get("format") == "byte" and "pattern" not in node:
        node["pattern"] = _BASE64
    if node.get("format") in ("int32", "int64", "float", "double", "byte", "binary", "password"):
        del node["format"]


def _nullable(node: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    if value.get("nullable") is not True and value.get("x-nullable") is not True:
        return node
    if isinstance(node.get("type"), str) and not {"allOf", "anyOf", "oneOf", "not", "const", "if"} & set(node):
        if isinstance(node.get("enum"), list) and None not in node["enum"]:
            node["enum"] = [*node["enum"], None]
        return {**node, "type": [node["type"], "null"]}
    outside: dict[str, Any] = {key: node.pop(key) for key in ("default", "readOnly", "writeOnly") if key in node}
    return {"anyOf": [node, {"type": "null"}], **outside}


def subschemas(node: Any) -> Iterator[Any]:
    """The schemas directly inside a converted schema, without `$defs`."""
    if not isinstance(node, dict):
        return
    for key in _SCHEMA_MAPS:
        yield from node.get(key, {}).values()
    for key in _SCHEMA_LISTS:
        yield from node.get(key, ())
    for key in _SCHEMAS:
        if key in node:
            yield node[key]
