"""Puts together what sends and receives the traffic of a run."""

from __future__ import annotations

from collections.abc import Callable

from verifier.gateway.admission import Admission
from verifier.gateway.gateway import Gateway
from verifier.gateway.partner import PartnerServer
from verifier.gateway.rotation import Rotation
from verifier.history.model import Note
from verifier.history.store import Record
from verifier.http.client import WireClient
from verifier.rehearsal.prepare import Prepared
from verifier.replay.context import ReplayContext


def masked(prepared: Prepared, text: str) -> str:
    """A text from a service, with the secrets of real accounts masked."""
    return text if prepared.credentials is None else prepared.credentials.mask_text(text)


def masking(prepared: Prepared, add: Callable[[Record], None]) -> Callable[[Record], None]:
    """The same for records: it passes them on to `add`."""
    secrets = prepared.credentials
    return add if secrets is None else lambda record: add(secrets.mask(record))


def replay_context(
    prepared: Prepared,
    host: str,
    callers: frozenset[str] | None,
    client: WireClient,
    record: Callable[[Record], None],
    now: Callable[[], float],
    wall: Callable[[], float],
) -> ReplayContext:
    """The replay context with its gateway, which listens on `host`. `now` and `wall` are the clocks.

    If there are `callers`, only these addresses may call it.
    """
    matrix, registry, rotation = prepared.matrix, prepared.registry, Rotation()
    gateway = Gateway(
        host=host,
        rotation=rotation,
        client=client,
        partner_server=PartnerServer(registry),
        registry=registry,
        partners={partner.name: partner.delay for partner in matrix.partners},
        ports=matrix.ports,
        record=record,
        clock=now,
    )
    if callers is not None:
        gateway.admits = Admission(callers, lambda told: record(Note(gateway.step, "stranger", told))).admits
    return ReplayContext(
        rotation,
        client,
        gateway,
        registry,
        record,
        now,
        wall,
        prepared.plan.seed,
        matrix.replaying.retry,
        matrix.replaying.timeout,
        prepared.credentials,
        computed=prepared.computed,
    )
