"""Flows planted between sessions are all recovered, by borrowing exactly the exchanges that issue the values.

As in the flows within one session: a server is played twice with different values, once for the recording, once for
the replay of each session by itself.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.correlation.building import BEGAN, playing
from tests.correlation.test_planted_flows import Flow, Values, creating, flows, unlike, using
from verifier.correlation import learn_all
from verifier.http.message import Request, Response, with_header
from verifier.recording.model import Exchange, Session

CLIENTS = ["anna", "bert", "cleo"]


@dataclass(frozen=True)
class Played:
    """One exchange of the whole traffic: who sent it, and which flows' values it carries or issues."""

    client: str
    request: Request
    response: Response
    carries: frozenset[str]
    issues: str = ""


def played(planted: list[Flow], values: Values, seed: int) -> list[Played]:
    """All clients' traffic. Each flow is issued to one of them; a later issuing may need an earlier flow's value."""
    rng = random.Random(seed)
    traffic: list[Played] = []
    made: list[Flow] = []
    waiting = [(flow, use) for flow in planted for use in flow.uses]
    rng.shuffle(waiting)
    for number, (flow, use) in enumerate(waiting):
        if flow not in made:
            request, response = creating(flow, values, random.Random(f"{seed}/{flow.number}"))
            parent = rng.choice([None, *(known for known in made if known.kind != "short")])
            if parent is not None:
                headers = with_header(request.headers, "X-Ref", f"ref {values[parent.key]}")
                request = Request(request.method, request.target, headers, request.body)
            carries = frozenset({parent.key} if parent is not None else ())
            traffic.append(Played(rng.choice(CLIENTS), request, response, carries, flow.key))
            made.append(flow)
        shape = random.Random(f"{seed}/use {number}")
        sent = using(flow, use, values, shape)
        answered = Response(200, (("Content-Type", "application/json"),), b'{"kind": "EUR", "n": 1, "quantity": 7}')
        traffic.append(Played(rng.choice(CLIENTS), sent, answered, frozenset({flow.key})))
    return traffic


def sessions(traffic: list[Played]) -> list[Session]:
    by_client: dict[str, list[Exchange]] = {}
    for number, entry in enumerate(traffic):
        exchange = Exchange(entry.request, entry.response, "shop:8080", float(number), 0.01, number + 1)
        by_client.setdefault(entry.client, []).append(exchange)
    return [Session(client, tuple(exchanges)) for client, exchanges in by_client.items()]


def needed(traffic: list[Played], client: str) -> set[int]:
    """The exchanges of others without which a client's session cannot be replayed, by their number."""
    issuer = {entry.issues: number for number, entry in enumerate(traffic) if entry.issues}
    waiting = [number for number, entry in enumerate(traffic) if entry.client == client]
    seen: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number not in seen:
            seen.add(number)
            waiting += [issuer[key] for key in traffic[number].carries]
    return {number for number in seen if traffic[number].client != client}


@given(planted=flows(), seed=st.integers(0, 10**6))
@settings(max_examples=200, deadline=None)
def test_every_flow_between_sessions_is_recovered_and_nothing_else_is_borrowed(planted: list[Flow], seed: int) -> None:
    recorded = unlike(planted, seed)
    replayed = unlike(planted, seed + 1, recorded)
    traffic, again = played(planted, recorded, seed), played(planted, replayed, seed)
    scripts = learn_all(sessions(traffic), began=BEGAN)
    assert [script.session for script in scripts] == list(dict.fromkeys(entry.client for entry in traffic))
    for script in scripts:
        numbers = [step.exchange.line - 1 for step in script.steps]
        assert numbers == sorted(numbers)
        borrowed = {number for number, step in zip(numbers, script.steps, strict=True) if step.lender}
        assert borrowed == needed(traffic, script.session)
        player = playing(script, "again", BEGAN)
        for index, number in enumerate(numbers):
            sent, wanted = player.request(index), again[number].request
            assert (sent.target, sent.headers, sent.body) == (wanted.target, wanted.headers, wanted.body)
            player.learn(index, again[number].response)
        assert player.notes == []
