"""Guarantees files: what is right becomes values; every problem is told, with line and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.contracts.completion import Completes
from verifier.contracts.expressions import parse, parse_address
from verifier.contracts.guarantees import Assumption, Effect, Freshness, Idempotent, read
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.errors import BadInput, Problem
from verifier.http.message import Request, Response

GOOD = """\
service: orders
operations:
  placeOrder:
    idempotent: {key: $request.header.Idempotency-Key, same: [$response.body#/id]}
    completes:
      accepted: 201
      poll: $response.header.Operation-Location
      state: $response.body#/status
      transitions: {pending: [running], running: [done, failed]}
      final: [done, failed]
      done: [done]
      within: 250ms
    effects:
      - {partner: psp, operation: charge, key: $request.body#/ref, match: $request.body#/id, times: at-most-once}
      - {partner: mail, operation: send, key: $request.body#/to}
  getOrder:
    freshness: {class: bounded, resource: $request.path.id, within: 2s}
  setNote:
    writes: [$request.path.id, $request.query.customer]
  setName:
    writes: $request.path.id
assumes:
  payments.charge: {idempotent: true, times: exactly-once}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "guarantees.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(BadInput) as caught:
        read(written(folder, text))
    return caught.value.problems


def test_a_file_becomes_values(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD)
    found = read(file)
    place = found.of("placeOrder")
    assert (found.service, found.file) == ("orders", str(file))
    assert place is not None
    assert place.line == 3
    assert place.idempotent == Idempotent(parse("$request.header.Idempotency-Key"), (parse("$response.body#/id"),))
    assert place.completes == Completes(
        accepted=201,
        poll=parse_address("$response.header.Operation-Location"),
        state=parse("$response.body#/status"),
        transitions=(("pending", ("running",)), ("running", ("done", "failed"))),
        final=("done", "failed"),
        done=("done",),
        within=0.25,
    )
    to = parse("$request.body#/to")
    assert place.effects == (
        Effect("psp", "charge", parse("$request.body#/ref"), parse("$request.body#/id"), "at-most-once"),
        Effect("mail", "send", to, to, "exactly-once"),
    )
    assert [item.operation for item in found.operations] == ["placeOrder", "getOrder", "setNote", "setName"]
    assert found.operations[1].freshness == Freshness("bounded", parse("$request.path.id"), 2.0)
    assert found.operations[2].writes == (parse("$request.path.id"), parse("$request.query.customer"))
    assert found.operations[3].writes == (parse("$request.path.id"),)
    pairs = (("idempotent", "true"), ("times", "exactly-once"))
    text = "payments.charge: {idempotent: true, times: exactly-once}"
    assert found.assumes == (Assumption("payments", "charge", pairs, str(file), 23, text),)
    assert found.of("none") is None


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    text = """\
service: a
operations:
  x: {completes: {poll: $response.header.L, state: $response.body#/s, final: [done, failed]}}
"""
    completes = read(written(tmp_path, text)).operations[0].completes
    assert completes is not None
    assert (completes.accepted, completes.done, completes.within, completes.transitions) == (202, ("done",), 10.0, ())


WRONG = [
    ("service: orders\n", "", (1, "", "must name its service")),
    ("service: orders", "service: [a]", (1, "service", "must be text")),
    ("operations:", "operation:", (2, "operation", "did you mean 'operations'")),
    ("    idempotent:", "    idempotant:", (4, "operations.placeOrder.idempotant", "did you mean 'idempotent'")),
    ("{key: $request.header.Idempotency-Key, ", "{", (4, "operations.placeOrder.idempotent", "needs 'key'")),
    ("$request.header.Idempotency-Key", "Idempotency-Key",
     (4, "operations.placeOrder.idempotent.key", "is not a runtime expression")),
    ("same: [$response.body#/id]", "same: [$response.body#id]",
     (4, "operations.placeOrder.idempotent.same[0]", "must begin with /")),
    ("same: [$response.body#/id]", "same: $response.body#/id",
     (4, "operations.placeOrder.idempotent.same", "must be a list")),
    ("accepted: 201", "accepted: 99", (6, "operations.placeOrder.completes.accepted", "at least 100")),
    ("      poll: $response.header.Operation-Location\n", "",
     (5, "operations.placeOrder.completes", "needs 'poll'")),
    ("state: $response.body#/status", "state: status", (8, "operations.placeOrder.completes.state", "runtime")),
    ("running: [done, failed]}", "running: [done, failed], done: [pending]}",
     (9, "operations.placeOrder.completes.transitions", "'done' is final")),
    ("final: [done, failed]", "final: []", (5, "operations.placeOrder.completes", "needs 'final'")),
    ("done: [done]", "done: [finished]", (11, "operations.placeOrder.completes.done", "not among the final")),
    ("running: [done, failed]", "running: [done, faild]",
     (9, "operations.placeOrder.completes.transitions", "'faild'")),
    ("within: 250ms", "within: soon", (12, "operations.placeOrder.completes.within", "duration")),
    ("{partner: psp, operation: charge", "{operation: charge",
     (14, "operations.placeOrder.effects[0]", "needs 'partner'")),
    ("times: at-most-once", "times: twice", (14, "operations.placeOrder.effects[0].times", "exactly-once")),
    ("match: $request.body#/id", "match: id", (14, "operations.placeOrder.effects[0].match", "runtime expression")),
    ("{class: bounded", "{class: fresh", (17, "operations.getOrder.freshness.class", "read-your-writes")),
    (", within: 2s", "", (17, "operations.getOrder.freshness", "needs 'within'")),
    ("{class: bounded, ", "{", (17, "operations.getOrder.freshness", "needs 'class'")),
    ("resource: $request.path.id", "resource: id", (17, "operations.getOrder.freshness.resource", "runtime")),
    ("[$request.path.id, $request.query", "[$request.path.id, $request.quary",
     (19, "operations.setNote.writes[1]", "header, query, path")),
    ("payments.charge", "payments", (23, "assumes.payments", "SERVICE.OPERATION")),
    ("{idempotent: true, times", "{idempotent: [x], times", (23, "assumes.payments.charge.idempotent", "must be text")),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "expected"), WRONG, ids=[f"{line}-{key}" for *_, (line, key, _) in WRONG])
def test_a_mistake_is_told_with_its_line_and_key(
    tmp_path: Path, good: str, bad: str, expected: tuple[int, str, str]
) -> None:
    assert good in GOOD
    line, key, said = expected
    found = problems(tmp_path, GOOD.replace(good, bad, 1))
    assert any((item.line, item.key) == (line, key) and said in item.message for item in found), found


def test_all_mistakes_are_told_in_one_go(tmp_path: Path) -> None:
    text, wanted = GOOD, set()
    for good, bad, (line, key, _) in WRONG:
        changed = text.replace(good, bad, 1)
        lines_kept = changed.count("\n") == GOOD.count("\n")
        if good in text and lines_kept and line not in (1, 2, 3, 5) and line not in {place[0] for place in wanted}:
            text = changed
            wanted.add((line, key))
    found = {(problem.line, problem.key) for problem in problems(tmp_path, text)}
    assert len(wanted) >= 8
    assert wanted <= found


WORDS = st.sampled_from(["service", "operations", "x", "idempotent", "key", "$request.path.id", "$response.body#/a",
                         "completes", "poll", "state", "final", "transitions", "effects", "partner", "freshness",
                         "class", "bounded", "resource", "writes", "assumes", "a.b", "10s", ""])  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.text(max_size=4))
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, SCALARS), inner, max_size=4)),
    max_leaves=15,
)


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _places(value)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(junk=JUNK, at=st.integers(-1, 100))
def test_junk_is_bad_input_and_never_a_crash(tmp_path: Path, junk: Any, at: int) -> None:
    tree = yaml.safe_load(GOOD)
    places = list(_places(tree))
    if at >= 0:
        owner, key = places[at % len(places)]
        owner[key] = junk
    try:
        read(written(tmp_path, yaml.safe_dump(tree if at >= 0 else junk, allow_unicode=True)))
    except BadInput as error:
        assert all(problem.message for problem in error.problems)


CONTRACT = (
    "openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths:\n  /x/{id}: {get: {operationId: getX, responses: {}}}\n"
)


def test_a_versions_own_guarantees_come_before_the_folders(tmp_path: Path) -> None:
    contract = tmp_path / "2.0.yaml"
    contract.write_text(CONTRACT, encoding="utf-8")
    assert version_contract("a", "2.0", contract).guarantees is None
    written(tmp_path, "service: a\noperations: {getX: {}}\n")
    shared = version_contract("a", "2.0", contract).guarantees
    (tmp_path / "2.0.guarantees.yaml").write_text("service: a\noperations: {getY: {}}\n", encoding="utf-8")
    own = version_contract("a", "2.0", contract).guarantees
    assert [item.operations[0].operation for item in (shared, own) if item] == ["getX", "getY"]
    assert version_contract("a", "2.0", None).contract is None


def test_promises_are_looked_up_by_service_version_and_request(tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        (tmp_path / f"{version}.yaml").write_text(CONTRACT, encoding="utf-8")
    written(tmp_path, "service: a\noperations: {getX: {writes: $request.path.id}}\n")
    registry = ContractRegistry(
        tuple(version_contract("a", version, tmp_path / f"{version}.yaml") for version in ("1.0", "2.0"))
    )
    found = registry.operation("a", "2.0", "GET", "/x/7")
    assert found is not None
    assert found.id == "getX"
    assert registry.operation("a", "3.0", "GET", "/x/7") is not None, "another version's contract may still name it"
    assert registry.operation("b", "2.0", "GET", "/x/7") is None
    assert registry.operation("a", "2.0", "PUT", "/x/7") is None
    assert registry.guarantees("a", "1.0", "getX") is not None
    assert registry.guarantees("a", "1.0", "getY") is None
    assert [(item.version, declared.operation) for item, declared in registry.declared()] == [
        ("1.0", "getX"),
        ("2.0", "getX"),
    ]


@pytest.mark.parametrize(
    ("poll", "target"),
    [("/jobs/{$response.body#/id}", "/jobs/a%2F1"), ("/done", "/done"), ("$response.body#/url", "/x/1")],
)
def test_completion_is_polled_at_an_expression_or_a_path(tmp_path: Path, poll: str, target: str) -> None:
    completes = completion(tmp_path, f'poll: "{poll}", state: $response.body#/s, final: [done]')
    response = Response(202, (), b'{"id": "a/1", "url": "/x/1"}')
    assert completes.poll.value(Request("POST", "/jobs"), response) == target
    assert completes.poll.value(Request("POST", "/jobs"), Response(202, (), b"{}")) == (None if "$" in poll else target)


def test_a_list_shows_the_state_of_the_work_s_own_entry(tmp_path: Path) -> None:
    """Without a state, the work is done once its entry is there."""
    accepted = (Request("POST", "/jobs", (), b'{"n": "b"}'), Response(202))
    read = (Request("GET", "/done"), Response(200, (), b'{"items": [{"n": "a", "s": "new"}, {"n": "b", "s": "done"}]}'))
    other = (Request("GET", "/done"), Response(200, (), b'{"items": [{"n": "a", "s": "done"}]}'))
    stated = completion(tmp_path, "poll: /done, entry: {n: $request.body#/n}, state: $response.body#/s, final: [done]")
    present = completion(tmp_path, "poll: /done, entry: {n: $request.body#/n}")
    assert (stated.shown(accepted, read), stated.shown(accepted, other)) == ("done", None)
    assert (present.shown(accepted, read), present.shown(accepted, other)) == ("present", None)
    assert present.final == ("present",)


def completion(folder: Path, text: str) -> Completes:
    written(folder, f"service: a\noperations: {{postJob: {{completes: {{{text}}}}}}}\n")
    found = read(folder / "guarantees.yaml").operations[0].completes
    assert found is not None
    return found
