"""What the benchmark measures of this project, and how answers are scored."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.contracts.documents import documents
from tests.benchmarks.contracts.peers import HTTP_PEERS, Answer, Job, Peer
from tests.contracts.contract_corpus import Pair
from verifier.contracts import engine
from verifier.contracts.compare import compare
from verifier.contracts.conform import Conformance
from verifier.contracts.load import load
from verifier.contracts.verdicts import COLUMNS
from verifier.http.message import Request, Response

_OLD_CLIENTS = ("request_old_to_new", "response_new_to_old")
_NEW_CLIENTS = ("request_new_to_old", "response_old_to_new")
_BESIDE_SCHEMA = ("nullable", "discriminator", "readOnly", "writeOnly", "int32", "int64", "exclusiveM")


@dataclass(frozen=True, slots=True)
class Ours:
    """`missed` and `invented` count columns; so does `unknown`, as a share of all of them."""

    columns: int
    missed: int
    invented: int
    unknown: int
    wrong: tuple[str, ...]
    seconds_per_pair: float
    answers: dict[str, Answer]


def ours(corpus: Sequence[Pair], folder: Path) -> Ours:
    missed = invented = unknown = 0
    wrong, times, answers = [], [], {}
    for pair in corpus:
        old, new = pair.write(folder)
        began = time.perf_counter()
        result = compare(load(old), load(new))
        times.append(time.perf_counter() - began)
        got = dict(result.columns)
        for column, expected in zip(COLUMNS, pair.expected, strict=True):
            missed += expected == "breaking" and got[column] != "breaking"
            invented += expected != "breaking" and got[column] == "breaking"
            unknown += got[column] == "unknown"
            if got[column] != expected:
                wrong.append(f"{pair.name}: {column}: {got[column]} instead of {expected}")
        breaks = [any(got[column] == "breaking" for column in side) for side in (_OLD_CLIENTS, _NEW_CLIENTS)]  # type: ignore[index]
        answers[pair.name] = Answer(breaks[0], breaks[1], times[-1])
    return Ours(len(corpus) * 4, missed, invented, unknown, tuple(wrong), statistics.mean(times), answers)


def seconds_200(folder: Path, rounds: int = 5) -> tuple[float, Job]:
    """Median seconds to read and compare two documents of 200 operations, nothing remembered between rounds.

    Also the documents, for the peers.
    """
    job = Job("200", folder / "large.old.json", folder / "large.new.json")
    for path, document in zip((job.old, job.new), documents(200), strict=True):
        path.write_text(json.dumps(document), encoding="utf-8")
    times = []
    for _ in range(rounds):
        engine.forget()
        began = time.perf_counter()
        compare(load(job.old), load(job.new))
        times.append(time.perf_counter() - began)
    return statistics.median(times), job


def validation_us(folder: Path, rounds: int = 20_000) -> float:
    """Median microseconds to validate one answer with a small JSON body: status, media type, header and body."""
    properties = {
        "id": {"type": "integer"},
        "status": {"enum": ["open", "paid"]},
        "total": {"type": "number", "minimum": 0},
        "at": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"type": "string"}},
    }
    item = {"type": "object", "required": ["id", "status"], "properties": properties}
    answer = {"description": "ok", "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
              "content": {"application/json": {"schema": item}}}  # fmt: skip
    path = folder / "wire.json"
    paths = {"/orders/{id}": {"get": {"responses": {"200": answer}}}}
    path.write_text(json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}))
    wire = Conformance(load(path))
    body = b'{"id": 17, "status": "paid", "total": 12.5, "at": "2024-02-29T12:00:00Z", "tags": ["a", "b"]}'
    request = Request("GET", "/orders/17")
    response = Response(200, (("Content-Type", "application/json"), ("ETag", '"x"')), body)
    if wire.answer(request, response):
        raise RuntimeError("the benchmark's own answer does not conform")
    times = []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        wire.answer(request, response)
        times.append(time.perf_counter_ns() - began)
    return statistics.median(times) / 1000


def schema_pair(pair: Pair) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The pair as two JSON Schemas, for peers that know nothing else; None where it is more than that."""
    if pair.row == "events" and "asyncapi" not in pair.old:
        return pair.old, pair.new
    text = json.dumps([pair.old, pair.new])
    if any(word in text for word in _BESIDE_SCHEMA):
        return None
    found = []
    for document in (pair.old, pair.new):
        operation = document.get("paths", {}).get("/things", {}).get("post", {})
        holder = operation.get("requestBody") or operation.get("responses", {}).get("200", {})
        schema = holder.get("content", {}).get("application/json", {}).get("schema")
        if schema is None or pair.row in ("exchanges", "parameters"):
            return None
        components = {"components": document["components"]} if "components" in document else {}
        found.append({**schema, **components})
    return found[0], found[1]


def truth(pair: Pair, *, schema: bool) -> tuple[bool, bool]:
    """Whether the pair breaks forward and backward: old and new clients, or for schemas old and new values."""
    labels = dict(zip(COLUMNS, pair.expected, strict=True))
    sides: tuple[tuple[str, ...], ...] = (_OLD_CLIENTS, _NEW_CLIENTS)
    if schema:
        sides = (("request_old_to_new", "response_old_to_new"), ("request_new_to_old", "response_new_to_old"))
    first, second = (any(labels[column] == "breaking" for column in side) for side in sides)  # type: ignore[index]
    return first, second


def score(rows: Iterable[tuple[bool, bool | None]]) -> dict[str, int]:
    """(truth, answer) counted; an answer that never came is a `none`."""
    counted = {"tp": 0, "fp": 0, "fn": 0, "tn": 0, "none": 0}
    for expected, answer in rows:
        if answer is None:
            counted["none"] += 1
        else:
            counted[("t" if expected == answer else "f") + ("p" if answer else "n")] += 1
    return counted


def scored(peer: Peer, corpus: Sequence[Pair], folder: Path, large: Job) -> dict[str, Any]:
    """One peer on the pairs that it can read: both directions, and the time per pair."""
    report: dict[str, Any] = {"name": peer.name, "version": peer.version}
    if peer.problem:
        return {**report, "problem": peer.problem}
    http = peer.name in HTTP_PEERS
    pairs, jobs = [], []
    for pair in corpus:
        found = (pair.old, pair.new) if http and pair.http else None if http else schema_pair(pair)
        if found is not None:
            pairs.append(pair)
            jobs.append(_written(pair.name, found, folder / ("http" if http else "schema")))
    answers = peer.run(jobs)
    report["pairs"] = len(pairs)
    report["speaks"] = "OpenAPI" if http else "JSON Schema"
    report |= _directions(pairs, answers, http)
    times = [item.seconds for item in answers.values() if not item.error]
    report["ms_per_pair"] = round(statistics.median(times) * 1000, 2) if times else None
    report["errors"] = sum(1 for item in answers.values() if item.error)
    if http:
        last = peer.run([large])["200"]
        report["seconds_200_operations"] = None if last.error else round(last.seconds, 3)
    return report


def _directions(pairs: Sequence[Pair], answers: dict[str, Answer], http: bool) -> dict[str, Any]:
    empty = Answer(None, None, 0.0, "no answer")
    got = [(truth(pair, schema=not http), answers.get(pair.name, empty)) for pair in pairs]
    names = ("old_clients", "new_clients_swapped") if http else ("old_values", "new_values")
    made: dict[str, Any] = {names[0]: score((real[0], item.forward) for real, item in got)}
    if http:  # what one run, as the tool is meant to be used, says about the other half
        made["new_clients"] = score((real[1], item.forward) for real, item in got)
    made[names[1]] = score((real[1], item.backward) for real, item in got)
    return made


def _written(name: str, found: tuple[dict[str, Any], dict[str, Any]], folder: Path) -> Job:
    folder.mkdir(exist_ok=True)
    job = Job(name, folder / f"{name}.old.json", folder / f"{name}.new.json")
    job.old.write_text(json.dumps(found[0]), encoding="utf-8")
    job.new.write_text(json.dumps(found[1]), encoding="utf-8")
    return job
