"""Looking up what is promised: as if each contract were asked, whatever was asked before."""

from __future__ import annotations

import re

from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from verifier.contracts.guarantees import Guarantees, OperationGuarantees
from verifier.contracts.lookup import HOLE
from verifier.contracts.model import Contract, ContractOperation
from verifier.contracts.registry import ContractRegistry, VersionContract
from verifier.http.message import Request

METHODS = ("GET", "POST", "HEAD")
PLAIN = ("a", "b", "v1", "a.b", "", "a|b")
FIXED = (*PLAIN, "a%20b", "%7B%7D", "a}b")
VARIABLE = ("{x}", "{y}")
MIXED = ("{x}.json", "a-{x}", "{x}{y}")
IN_PATHS = (
    "a", "b", "a%20b", "a%2Fb", "a b", "v1", "7", "{}", "", "q.json", "a.b", "a|b", "a-b", "\u00e9", "\t", "a-1", "%61",
    "?q", "a?b=/a",
)  # fmt: skip


def template(segments: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(segments), min_size=1, max_size=3).map(lambda found: "/" + "/".join(found))


@st.composite
def contract(draw: st.DrawFn, segments: tuple[str, ...]) -> Contract:
    routes = draw(st.lists(st.tuples(st.sampled_from(METHODS), template(segments)), max_size=5))
    operations = tuple(
        ContractOperation(f"{number} {method} {path}", method, path, (), None, (), (), "")
        for number, (method, path) in enumerate(routes)
    )
    bases = tuple(draw(st.lists(st.sampled_from(["/v1", "/a/b", "/a%20b", "/v1/"]), max_size=2)))
    return Contract("t", "1", "f", "openapi", operations, bases=bases)


@st.composite
def registry(draw: st.DrawFn) -> ContractRegistry:
    segments = draw(st.sampled_from([PLAIN + VARIABLE, FIXED + VARIABLE, FIXED + VARIABLE + MIXED]))
    versions = draw(st.lists(st.tuples(st.sampled_from("sp"), st.sampled_from("123")), max_size=4))
    return ContractRegistry(
        tuple(
            VersionContract(service, version, draw(st.none() | contract(segments)), None)
            for service, version in versions
        )
    )


def asked(made: ContractRegistry, service: str, version: str, method: str, path: str) -> ContractOperation | None:
    """The plain way: the version's own contract, then every other one of its service."""
    known: dict[str, Contract | None] = {}
    for entry in made.entries:
        if entry.service == service:
            known.setdefault(entry.version, entry.contract)
    for found in (known.pop(version, None), *known.values()):
        if found is not None and (operation := found.match(method, path)) is not None:
            return operation
    return None


PATHS = st.lists(st.sampled_from(IN_PATHS), min_size=1, max_size=5).map(lambda found: "/" + "/".join(found))
ASKED = st.tuples(st.sampled_from("spq"), st.sampled_from("1234"), st.sampled_from(METHODS), PATHS)


@settings(max_examples=500, deadline=None)
@given(registry(), st.lists(ASKED, min_size=1, max_size=12))
def test_an_operation_is_found_as_if_each_contract_were_asked(
    made: ContractRegistry, questions: list[tuple[str, str, str, str]]
) -> None:
    for service, version, method, path in questions:
        assert made.operation(service, version, method, path) == asked(made, service, version, method, path)
        for target in (path, f"{path}?page=2", f"{path}?a=/b#c", f"{path}#a?b", path[1:]):
            request = Request(method, target)
            assert made.called(service, version, request) == asked(made, service, version, method, request.path)


HOLED = st.lists(st.sampled_from((*IN_PATHS, HOLE, HOLE, f"a-{HOLE}", f"?q={HOLE}")), min_size=1, max_size=5).map(
    lambda found: "/" + "/".join(found)
)


@st.composite
def questions_with_holes(draw: st.DrawFn) -> tuple[ContractRegistry, str, str, str]:
    """A registry, a version, a method, and a target: any, or that of a route with a hole for each variable.

    Most routes of the version have variables only, as a fixed segment beside a hole leaves the question open.
    """
    version, others = draw(st.sampled_from("12")), draw(registry())
    own = draw(contract(("a", *VARIABLE, *VARIABLE)))
    made = ContractRegistry((VersionContract("s", version, own, None), *others.entries))
    routes = [(entry.method, re.sub(r"\{[^}]*\}", HOLE, entry.path)) for entry in own.operations]
    any_route = st.tuples(st.sampled_from(METHODS), HOLED)
    method, target = draw(st.sampled_from(routes) | any_route if routes else any_route)
    return made, version, method, target


@settings(max_examples=500, deadline=None)
@given(questions_with_holes())
def test_what_is_settled_holds_whatever_stands_in_the_holes(question: tuple[ContractRegistry, str, str, str]) -> None:
    made, version, method, at = question
    known, operation = made.settled("s", version, method, at)
    if known:
        for value in ("a", "b", "v1", "a.b", "7", "zz", "1.json"):
            assert made.called("s", version, Request(method, at.replace(HOLE, value))) == operation


def test_a_hole_that_may_be_a_base_path_leaves_the_operation_open() -> None:
    operations = tuple(ContractOperation(path, "POST", path, (), None, (), (), "") for path in ("/{x}", "/{x}/{y}"))
    with_base = Contract("t", "1", "f", "openapi", operations, bases=("/v1",))
    made = ContractRegistry((VersionContract("s", "1", with_base, None),))
    assert made.called("s", "1", Request("POST", "/v1/a")) == operations[0]
    assert made.called("s", "1", Request("POST", "/v2/a")) == operations[1]
    assert made.settled("s", "1", "POST", f"/{HOLE}/a") == (False, None)
    assert made.settled("s", "1", "POST", f"/{HOLE}") == (False, None)
    assert made.settled("s", "1", "POST", f"/v1/{HOLE}") == (True, operations[0])


def test_the_property_sees_settled_operations() -> None:
    def settled(question: tuple[ContractRegistry, str, str, str]) -> bool:
        made, version, method, at = question
        known, operation = made.settled("s", version, method, at)
        return known and operation is not None and HOLE in at

    assert find(questions_with_holes(), settled, settings=settings(phases=[Phase.generate]))


def test_a_hole_is_settled_where_no_fixed_segment_competes() -> None:
    routes = ("/orders", "/orders/{id}", "/orders/{id}/lines", "/customers/{id}", "/customers/search")
    operations = tuple(ContractOperation(path, "GET", path, (), None, (), (), "") for path in routes)
    made = ContractRegistry((VersionContract("s", "1", Contract("t", "1", "f", "openapi", operations), None),))

    def settled(path: str) -> str | None:
        known, found = made.settled("s", "1", "GET", path)
        return found.id if known and found is not None else None

    assert settled(f"/orders/{HOLE}") == "/orders/{id}"
    assert settled(f"/orders/{HOLE}/lines?page={HOLE}") == "/orders/{id}/lines"
    assert settled(f"/customers/{HOLE}") is None, "it may be a search"
    assert settled(f"/{HOLE}/7") is None
    assert settled("/customers/search") == "/customers/search"
    assert ContractRegistry().settled("s", "1", "GET", f"/{HOLE}") == (True, None), "no contract, no operation"


def test_a_fixed_segment_comes_before_a_variable_one_and_a_dead_end_is_left_again() -> None:
    routes = ("/orders", "/orders/{id}", "/orders/{id}/lines", "/orders/latest")
    operations = tuple(ContractOperation(path, "GET", path, (), None, (), (), "") for path in routes)
    made = ContractRegistry((VersionContract("s", "1", Contract("t", "1", "f", "openapi", operations), None),))

    def name(path: str) -> str | None:
        found = made.called("s", "1", Request("GET", path))
        return found.id if found else None

    for number in range(300):
        assert name(f"/orders/{number}") == "/orders/{id}"
        assert name(f"/orders/{number}/lines") == "/orders/{id}/lines"
        assert name(f"/orders/{number}/other") is None
    assert name("/orders/latest") == "/orders/latest"
    assert name("/orders/latest/lines") == "/orders/{id}/lines"
    assert name("/orders//lines") is None
    assert name("/orders") == "/orders"


def test_guarantees_are_found_by_service_version_and_operation_and_the_first_one_counts() -> None:
    first, second, other = OperationGuarantees("op", 1), OperationGuarantees("op", 2), OperationGuarantees("op", 3)
    made = ContractRegistry(
        (
            VersionContract("s", "1", None, Guarantees("s", "f", (first, second))),
            VersionContract("s", "2", None, None),
            VersionContract("s", "3", None, Guarantees("s", "f", (other,))),
            VersionContract("s", "1", None, Guarantees("s", "f", (other, OperationGuarantees("more", 4)))),
        )
    )
    assert made.guarantees("s", "1", "op") is first
    assert made.guarantees("s", "1", "more") is None, "of two entries for one version the first one counts"
    assert made.guarantees("s", "2", "op") is None
    assert made.guarantees("s", "3", "op") is other
    assert made.guarantees("p", "1", "op") is None
    assert made.of("s", "2") is made.entries[1]
    assert made.of("s", "4") is None
