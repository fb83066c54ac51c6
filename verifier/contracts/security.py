"""Compares the security requirements of two versions of one operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from verifier.contracts.bodies import BodyPlace
from verifier.contracts.model import Contract, ContractOperation, Requirement
from verifier.contracts.verdicts import ContractDifference

Schemes = Mapping[str, str]


def schemes_of(contract: Contract) -> Schemes:
    """The kind of each scheme by its name. Kinds are compared, because names do not count."""
    return {item.name: item.kind for item in contract.schemes}


def security_findings(
    writer: ContractOperation, reader: ContractOperation, place: BodyPlace, schemes: tuple[Schemes, Schemes]
) -> Iterator[ContractDifference]:
    """A client may use any of its alternatives, so each must satisfy one of the service."""
    mine = [_needs(item, schemes[0]) for item in writer.security] or [{}]
    theirs = [_needs(item, schemes[1]) for item in reader.security] or [{}]
    where = replace(place, part="security")
    for shown in mine:
        if not any(_satisfies(shown, wanted) for wanted in theirs):
            wanted_text = " or ".join(_said(wanted) for wanted in theirs)
            message = f"{place.reader} asks for {wanted_text}, {place.writer} may come with {_said(shown)}"
            yield where.breaking("security", reader.pointer + "/security", message)


def _needs(item: Requirement, schemes: Schemes) -> dict[str, frozenset[str]]:
    return {_kind(schemes.get(name, name)): frozenset(scopes) for name, scopes in item.schemes}


def _kind(kind: str) -> str:
    """The kind of a scheme. Header names ignore case."""
    return kind.lower() if kind.startswith("apiKey header") else kind


def _satisfies(shown: dict[str, frozenset[str]], wanted: dict[str, frozenset[str]]) -> bool:
    return all(kind in shown and scopes <= shown[kind] for kind, scopes in wanted.items())


def _said(needs: dict[str, frozenset[str]]) -> str:
    if not needs:
        return "no credentials"
    return " and ".join(
        f"{kind} ({', '.join(sorted(scopes))})" if scopes else kind for kind, scopes in sorted(needs.items())
    )
