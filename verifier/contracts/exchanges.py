"""Compares one operation of both sides: its request from client to service, and its responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from verifier.contracts.bodies import BodyPlace, Memory, schema_findings
from verifier.contracts.model import Body, ContractOperation, Header, Media, ResponseContract, answer_for
from verifier.contracts.parameters import parameter_findings
from verifier.contracts.security import Schemes, security_findings
from verifier.contracts.verdicts import ContractDifference
from verifier.contracts.wire import matches

_BODILESS = ("1", "204", "205", "304")


def request_findings(
    writer: ContractOperation,
    reader: ContractOperation,
    place: BodyPlace,
    memory: Memory,
    schemes: tuple[Schemes, Schemes],
) -> Iterator[ContractDifference]:
    """What of the writer's requests (a client built for its contract) the reader (a service) refuses or drops."""
    yield from security_findings(writer, reader, place, schemes)
    yield from parameter_findings(writer, reader, place, memory)
    yield from _body_findings(writer, reader, replace(place, part="body"), memory)


def _body_findings(
    writer: ContractOperation, reader: ContractOperation, place: BodyPlace, memory: Memory
) -> Iterator[ContractDifference]:
    mine, theirs = writer.body, reader.body
    if theirs is None:
        if mine is not None:
            yield place.skewed("dropped-body", mine.pointer, f"{place.reader} declares no request body and drops it")
        return
    if theirs.required and (mine is None or not mine.required):
        message = f"{place.reader} requires a body, {place.writer} may send none"
        yield place.breaking("body-required", theirs.pointer, message)
    if mine is not None:
        yield from _media_taken(mine, theirs, place, memory)


def _media_taken(mine: Body, theirs: Body, place: BodyPlace, memory: Memory) -> Iterator[ContractDifference]:
    """A client may send any media type that it declares, so the service must accept each."""
    for media in mine.media:
        read = _fitting(theirs.media, media)
        if read is None:
            names = ", ".join(item.type for item in theirs.media) or "none"
            message = f"{place.reader} does not accept {media.type}; it accepts {names}"
            yield replace(place, media=media.type).breaking("media-type", theirs.pointer, message)
        else:
            yield from schema_findings(media.schema, read.schema, replace(place, media=media.type), memory)


def _fitting(declared: Iterable[Media], sent: Media) -> Media | None:
    found = [item for item in declared if matches(item.type, sent.type)]
    return max(found, key=lambda item: (item.type == sent.type, len(item.type)), default=None)


def answer_findings(
    writer: ContractOperation, reader: ContractOperation, place: BodyPlace, memory: Memory
) -> Iterator[ContractDifference]:
    """What of the writer's answers (a service's) a reader (a client built for the other contract) cannot take."""
    for answer in writer.answers:
        where = replace(place, part=f"status {answer.status}")
        readers = list(_readers(writer, reader, answer, place.tolerance.error_statuses))
        if not readers and not _tolerated(answer.status, place.tolerance.error_statuses):
            known = ", ".join(item.status for item in reader.answers) or "none"
            status = "any further status" if answer.status == "default" else f"status {answer.status}"
            message = f"{place.reader} does not know {status}; it knows {known}"
            yield where.breaking("status", reader.pointer + "/responses", message)
        for theirs in readers:
            yield from _one_answer(answer, theirs, where, memory, bodiless=writer.method == "HEAD")


def _tolerated(status: str, errors: bool) -> bool:
    return errors and (status[0] in "45" or status == "default")


def _readers(
    writer: ContractOperation, reader: ContractOperation, answer: ResponseContract, tolerant: bool
) -> Iterator[ResponseContract]:
    """The reader's answers by which it may read one of the writer's; none when it knows nothing fitting.

    A range or `default` stands for every status that its writer does not list. `default` beside a listed success
    means errors only, as is common practice.
    """
    known = {item.status: item for item in reader.answers}
    if answer.status.isdigit():
        found = answer_for(reader.answers, int(answer.status))
        if found is not None:
            yield found
        return
    listed = {item.status for item in writer.answers}
    errors = answer.status == "default" and any(status[0] in "23" for status in listed)
    classes = "45" if errors else "12345" if answer.status == "default" else answer.status[0]
    rest = [known.get("default")]
    if answer.status != "default":
        rest = [known.get(answer.status) or known.get("default")]
    elif "default" not in known:
        ranges = [known.get(f"{kind}XX") for kind in classes]
        rest = ranges if all(ranges) or tolerant else []
    if not any(rest) and not tolerant:
        return
    yield from (item for item in rest if item is not None)
    for status, item in known.items():
        inside = status[0] in classes and status not in listed and f"{status[0]}XX" not in listed - {answer.status}
        if status != "default" and inside and item not in rest:
            yield item


def _one_answer(
    mine: ResponseContract, theirs: ResponseContract, place: BodyPlace, memory: Memory, *, bodiless: bool
) -> Iterator[ContractDifference]:
    yield from _headers(mine.headers, theirs, place, memory)
    if not theirs.media or bodiless or mine.status.startswith(_BODILESS):
        return
    if not mine.media:
        names = ", ".join(item.type for item in theirs.media)
        message = f"{place.reader} reads a body ({names}), {place.writer} promises none"
        yield place.breaking("body-missing", theirs.pointer, message)
        return
    yield from _negotiated(mine, theirs, place, memory)


def _negotiated(
    mine: ResponseContract, theirs: ResponseContract, place: BodyPlace, memory: Memory
) -> Iterator[ContractDifference]:
    """Media types of answers are negotiated (RFC 9110, 12.5.1): the reader asks for one that it knows.

    So offering more does not break a reader, and no longer offering what a reader may ask for does. Media types of
    errors are not requested, so one common media type is enough.
    """
    offered = ", ".join(item.type for item in mine.media)
    pairs = [(item, wanted) for wanted in theirs.media for item in mine.media
             if matches(wanted.type, item.type) or matches(item.type, wanted.type)]  # fmt: skip
    met = {wanted.type for _, wanted in pairs}
    for wanted in theirs.media:
        if wanted.type not in met and (not pairs or mine.status[0] == "2"):
            message = f"{place.reader} may ask for {wanted.type}, {place.writer} answers only with {offered}"
            yield replace(place, media=wanted.type).breaking("media-type", wanted.pointer, message)
    for item, wanted in pairs:
        yield from schema_findings(item.schema, wanted.schema, replace(place, media=item.type), memory)


def _headers(
    sent: tuple[Header, ...], theirs: ResponseContract, place: BodyPlace, memory: Memory
) -> Iterator[ContractDifference]:
    known = {item.name.lower(): item for item in sent}
    for header in theirs.headers:
        mine = known.get(header.name.lower())
        where = replace(place, part=f"header {header.name}")
        if header.required and (mine is None or not mine.required):
            message = f"{place.reader} needs the header {header.name}, {place.writer} may leave it out"
            yield where.breaking("header-required", header.pointer, message)
        if mine is not None:
            textual = not (mine.media or header.media)
            yield from schema_findings(mine.schema, header.schema, where, memory, as_text=textual)
