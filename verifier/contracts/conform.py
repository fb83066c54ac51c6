"""Validates messages against a contract: status, media type, headers and body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from verifier.contracts import streamed, wire
from verifier.contracts.compiled import Check, compile_schema, content, remember
from verifier.contracts.lookup import finders
from verifier.contracts.mismatch import Mismatch, mistyped
from verifier.contracts.model import (
    Contract,
    ContractOperation,
    Media,
    Parameter,
    ResponseContract,
    Schema,
    answer_for,
    is_json,
)
from verifier.http.eventstream import MEDIA_TYPE
from verifier.http.message import Request, Response, content_of, header
from verifier.paths import path_values

UNDOCUMENTED_OPERATION: Final = "undocumented-operation"
_SHOWN = 5  # mismatches reported of one body


_Told = tuple[int, str, int, tuple[str | None, str | None]]  # operation, method, status, media type and coding


@dataclass(slots=True)
class _Answers:
    """The answers of one operation, found by status once."""

    operation: ContractOperation
    known: dict[int, ResponseContract | None]


class Conformance:
    """Validates exchanges against one contract. Each distinct schema is compiled once, on first use.

    No method raises an error because of the content of a message. Unreadable content is a mismatch.
    """

    def __init__(self, contract: Contract, compiled: dict[str, Check | None] | None = None) -> None:
        """`compiled`: the schemas that other versions have as well, by their texts."""
        self.contract = contract
        self._compiled = compiled if compiled is not None else {}
        self._checks: dict[int, Check | None] = {}  # by identity of the schema; the contract keeps them alive
        self._answers: dict[str, _Answers] = {}
        self._finders = finders(contract)
        self._valid: dict[_Told, set[bytes]] = {}  # bodies without a mismatch

    def answer(self, request: Request, response: Response) -> tuple[Mismatch, ...]:
        """What of an answer the contract does not allow, () when nothing.

        A path or method that the contract does not have gives the single rule `undocumented-operation`.
        """
        operation = self._operation(request)
        if operation is None:
            return (_undocumented(request),)
        # Services tell the same body again and again, and each is validated once.
        key = (id(operation), request.method, response.status, content_of(response.headers))
        valid = self._valid.get(key)
        if valid is not None and response.body in valid:
            return ()
        found = self._answer(operation, request, response)
        answer = self._answer_of(operation, response.status)
        if not found and answer is not None and not answer.headers:
            remember(self._valid.setdefault(key, set()), response.body)
        return found

    def _answer(self, operation: ContractOperation, request: Request, response: Response) -> tuple[Mismatch, ...]:
        answer, status = self._answer_of(operation, response.status), response.status
        if answer is None:
            declared = ", ".join(item.status for item in operation.answers) or "none"
            message = f"status {status} is not documented; documented: {declared}"
            return (Mismatch("undocumented-status", operation.id, "/status", message),)
        found: list[Mismatch] = []
        if answer.headers:
            found.extend(self._headers(operation, answer, response))
        bodiless = request.method == "HEAD" or status in (204, 205, 304) or status < 200
        if answer.media and not (bodiless and not response.body):
            found.extend(self._body(operation.id, answer.media, response.headers, response.body))
        return tuple(found)

    def _answer_of(self, operation: ContractOperation, status: int) -> ResponseContract | None:
        answers = self._answers.get(operation.pointer)
        if answers is None:
            answers = self._answers[operation.pointer] = _Answers(operation, {})
        if status not in answers.known:
            answers.known[status] = answer_for(operation.answers, status)
        return answers.known[status]

    def request(self, request: Request) -> tuple[Mismatch, ...]:
        """The mismatches of a request with the contract. Unknown parameters are ignored."""
        operation = self._operation(request)
        if operation is None:
            return (_undocumented(request),)
        found = [item for parameter in operation.parameters for item in self._parameter(operation, parameter, request)]
        body = operation.body
        if body is not None:
            if request.body:
                found.extend(self._body(operation.id, body.media, request.headers, request.body))
            elif body.required:
                found.append(Mismatch("missing-body", operation.id, "/body", "a body is required, none was sent"))
        return tuple(found)

    def event(self, channel: str, body: bytes, content_type: str = "application/json") -> tuple[Mismatch, ...]:
        """The mismatches of an event with the messages of its channel; () if one of them accepts it.

        A channel that the contract does not have gives the single rule `undocumented-operation`.
        """
        known = [item for item in self.contract.messages if item.channel == channel]
        if not known:
            return (Mismatch(UNDOCUMENTED_OPERATION, channel, "", f"{channel} is no channel of the contract"),)
        tried = []
        for item in known:
            media = (Media(item.media, item.payload, item.pointer),)
            found = self._body(item.id, media, (("content-type", content_type),), body)
            if not found:
                return ()
            tried.append(found)
        return min(tried, key=len)

    def stored(self, value: Any) -> tuple[Mismatch, ...]:
        """The mismatches of a decoded stored document with the JSON Schema of the contract."""
        found: list[Mismatch] = []
        for item in self.contract.documents:
            check = self._check(item.schema)
            if check is not None and not check.ok(value):
                found.extend(_wrong(check, value, item.id, "document"))
        return tuple(found[:_SHOWN])

    def _headers(
        self, operation: ContractOperation, answer: ResponseContract, response: Response
    ) -> Iterable[Mismatch]:
        for declared in answer.headers:
            text = header(response.headers, declared.name)
            pointer = f"/header/{declared.name}"
            if text is None:
                if declared.required:
                    message = f"the required header {declared.name} is missing"
                    yield Mismatch("missing-header", operation.id, pointer, message)
            elif declared.schema is not None:
                parameter = Parameter(declared.name, "header", declared.required, declared.schema, declared.pointer,
                                      media=declared.media)  # fmt: skip
                yield from self._value("header-schema", operation, parameter, [text], pointer)

    def _parameter(self, operation: ContractOperation, parameter: Parameter, request: Request) -> Iterable[Mismatch]:
        if parameter.style == "deepObject" or (
            parameter.place == "query" and parameter.explode and not parameter.media and _is_object(parameter)
        ):
            return  # its fields are separate query parameters, whose names other parameters may share
        texts = _texts(operation, parameter, request)
        pointer = f"/{parameter.place}/{parameter.name}"
        if not texts:
            if parameter.required:
                message = f"the required {parameter.place} parameter {parameter.name} is missing"
                yield Mismatch("missing-parameter", operation.id, pointer, message)
        elif parameter.schema is not None:
            yield from self._value("parameter-schema", operation, parameter, texts, pointer)

    def _value(self, rule: str, operation: ContractOperation, parameter: Parameter, texts: Sequence[str],
               pointer: str) -> Iterable[Mismatch]:  # fmt: skip
        check = self._check(parameter.schema)
        if check is None or (len(texts) == 1 and not parameter.media and check.ok(texts[0])):
            return
        values = wire.parameter_readings(parameter, texts)
        if not any(check.ok(value) for value in values):
            first = next(iter(check.validator.iter_errors(values[0])), None)
            message = first.message if first else f"{texts!r} is not allowed"
            yield Mismatch(rule, operation.id, pointer, message)

    def _operation(self, request: Request) -> ContractOperation | None:
        finder = self._finders.get(request.method)
        found = finder.find(request.target) if finder is not None else None
        return found or self.contract.match(request.method, request.target.partition("?")[0])

    def _body(self, operation: str, media: tuple[Media, ...], headers: tuple[tuple[str, str], ...],
              body: bytes) -> tuple[Mismatch, ...]:  # fmt: skip
        told, encoding = content_of(headers)
        sent = wire.media_type(told)
        declared = _declared(media, sent)
        if declared is None:
            names = ", ".join(item.type for item in media)
            if not body:
                return (Mismatch("missing-body", operation, "/body", f"no body; documented: {names}"),)
            message = f"media type {sent or '(none)'} is not documented; documented: {names}"
            return (Mismatch("undocumented-media-type", operation, "/header/Content-Type", message),)
        check = self._check(declared.schema)
        plain = is_json(sent) and encoding is None
        if check is None or (plain and body in check.valid):
            return ()
        try:
            value, known = content(sent, encoding, body, check)
        except wire.Undecodable as error:
            return (Mismatch("unreadable-body", operation, "/body", str(error)),)
        if not known or check.ok(value):
            if plain:
                remember(check.valid, body)
            return ()
        if sent == MEDIA_TYPE:
            found = islice(streamed.misfits(check.validator, value), _SHOWN)
            return tuple(
                Mismatch("body-schema", operation, f"/body{pointer}", message, wrong_type)
                for pointer, message, wrong_type in found
            )
        return tuple(islice(_wrong(check, value, operation, "body"), _SHOWN))

    def _check(self, schema: Schema | None) -> Check | None:
        if schema is None:
            return None
        key = id(schema)
        if key not in self._checks:
            text = json.dumps(schema.document, sort_keys=True, default=str)
            if text not in self._compiled:
                self._compiled[text] = compile_schema(schema.document)
            self._checks[key] = self._compiled[text]
        return self._checks[key]


def _wrong(check: Check, value: Any, operation: str, root: str) -> Iterator[Mismatch]:
    for error in check.validator.iter_errors(value):
        pointer = "".join(f"/{part}" for part in (root, *error.instance_path))
        yield Mismatch(f"{root}-schema", operation, pointer, error.message, mistyped(error))


def _undocumented(request: Request) -> Mismatch:
    name = f"{request.method} {request.path}"
    return Mismatch(UNDOCUMENTED_OPERATION, name, "", f"{name} is in no operation of the contract")


def _declared(media: tuple[Media, ...], sent: str) -> Media | None:
    for item in media:
        if item.type == sent:
            return item
    fitting = [item for item in media if sent and wire.matches(item.type, sent)]
    return max(fitting, key=lambda item: len(item.type)) if fitting else None


def _is_object(parameter: Parameter) -> bool:
    document = parameter.schema.document if parameter.schema else None
    while isinstance(document, dict) and str(document.get("$ref", "")).startswith("#/$defs/"):
        document = {**document.get("$defs", {})}.get(document["$ref"].removeprefix("#/$defs/"))
    return isinstance(document, dict) and ("object" in str(document.get("type", "")) or "properties" in document)


def _texts(operation: ContractOperation, parameter: Parameter, request: Request) -> list[str]:
    """The texts of one parameter, percent-decoded where this applies; [] if it is absent."""
    path, _, query = request.target.partition("?")
    if parameter.place == "query":
        pairs = parse_qsl(query, keep_blank_values=True)
        return [value for name, value in pairs if name in (parameter.name, f"{parameter.name}[]")]
    if parameter.place == "path":
        value = path_values(operation.path, path).get(parameter.name)
        return [value] if value is not None else []
    if parameter.place == "header":
        value = header(request.headers, parameter.name)
        return [value.strip()] if value is not None else []
    cookies = (part.strip().partition("=") for part in (header(request.headers, "cookie") or "").split(";"))
    return [unquote(value) for name, _, value in cookies if name == parameter.name][:1]
