"""Leaves exchanges out of a recording, as `include` and `exclude` of the traffic say."""

from __future__ import annotations

from dataclasses import replace

from verifier.errors import BadInput
from verifier.matrix.model import Traffic
from verifier.matrix.traffic_rules import ExchangePattern
from verifier.recording.model import Exchange, Recording


def filtered(recording: Recording, traffic: Traffic, matrix: str) -> tuple[Recording, tuple[str, ...]]:
    """The recording without what is left out, and a sentence for each pattern that matches nothing.

    `matrix` is the matrix file, for messages. Raises BadInput if nothing is left.
    """
    everything = [exchange for session in recording.sessions for exchange in session.exchanges]
    notes = tuple(
        f'{matrix}:{pattern.line}: {pattern.key}: "{pattern}" matches no exchange of {traffic.recording}'
        for pattern in (*traffic.include, *traffic.exclude)
        if not any(_matches(pattern, exchange) for exchange in everything)
    )
    sessions = tuple(
        replace(session, exchanges=kept)
        for session in recording.sessions
        if (kept := tuple(exchange for exchange in session.exchanges if _stays(traffic, exchange)))
    )
    if everything and not sessions:
        first = (*traffic.exclude, *traffic.include)[0]
        raise BadInput.one(matrix, f"leaves no exchange of {traffic.recording}", line=first.line, key=first.key)
    return replace(recording, sessions=sessions), notes


def _stays(traffic: Traffic, exchange: Exchange) -> bool:
    included = not traffic.include or any(_matches(pattern, exchange) for pattern in traffic.include)
    return included and not any(_matches(pattern, exchange) for pattern in traffic.exclude)


def _matches(pattern: ExchangePattern, exchange: Exchange) -> bool:
    return pattern.matches(exchange.request.method, exchange.request.path)
