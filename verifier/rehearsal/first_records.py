"""The first records of a run: what was rehearsed, and what was unusual about its inputs."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.errors import BadInput
from verifier.history.model import Note, RunInfo, ServiceInfo
from verifier.history.store import SCHEMA
from verifier.located import load
from verifier.matrix.model import Matrix
from verifier.plan.render import borrowing
from verifier.rehearsal.prepare import Prepared


def preparation_notes(prepared: Prepared) -> Iterator[Note]:
    """Notes about unusual inputs, and about exchanges that sessions take from each other.

    Borrowed exchanges are sent, routed and counted as the borrower's own.
    """
    yield from (Note("", "filter", sentence) for sentence in prepared.notes)
    told = filter(None, map(borrowing, prepared.plan.sessions))
    yield from (Note("", "borrowed", sentence) for sentence in told)


def run_info(prepared: Prepared, runtime: str) -> RunInfo:
    matrix = prepared.matrix
    clients = []
    for traffic in matrix.traffic:
        for service in matrix.services:
            called = any(service.name in replay_script.services for replay_script in prepared.replay_scripts.values())
            if called and traffic.client in {version.name for version in service.versions}:
                clients.append((service.name, traffic.client))
    return RunInfo(
        schema=SCHEMA,
        tool=prepared.plan.tool,
        matrix=matrix.name,
        seed=prepared.plan.seed,
        runtime=runtime,
        services=tuple(
            ServiceInfo(
                service.name,
                tuple(version.name for version in service.versions),
                service.old.name,
                service.new.name,
                service.kind,
            )
            for service in matrix.services
        ),
        partners=tuple(partner.name for partner in matrix.partners),
        client_versions=tuple(dict.fromkeys(clients)),
        file=prepared.named,
        lines=tuple(_lines(matrix)),
    )


def _lines(matrix: Matrix) -> Iterator[tuple[str, str, int]]:
    """The lines of the matrix that declare its services, with the version "", and their versions."""
    try:
        services = load(matrix.file).value["services"].value
    except (BadInput, KeyError):  # the file was changed or removed since it was read
        return
    for service in matrix.services:
        if service.name in services:
            yield service.name, "", services[service.name].line
            versions = services[service.name].value["versions"].value
            yield from (
                (service.name, version.name, versions[version.name].line)
                for version in service.versions
                if version.name in versions
            )
