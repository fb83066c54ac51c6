"""Reads matrix, contracts and recordings, and makes the plan. All bad input is detected here, before a start."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from verifier.contracts.registry import ContractRegistry, VersionContract, version_contract
from verifier.correlation import Rules, learn_all
from verifier.errors import BadInput, Problem
from verifier.history.outcome import SAFE
from verifier.http.coding import limit_accept_encoding
from verifier.matrix.model import Matrix, Traffic
from verifier.matrix.pairs import PAIRINGS, Pair, left_out, pairs, versions
from verifier.matrix.parse import parse
from verifier.plan.model import ExchangeShape, Plan, SessionShape
from verifier.plan.planner import plan
from verifier.recording.load import load
from verifier.recording.model import Recording, Session
from verifier.recording.placeholders import sent
from verifier.recording.suspicion import suspicion
from verifier.rehearsal.filtering import filtered
from verifier.rehearsal.hidden import hidden
from verifier.rehearsal.invariants import check_invariants
from verifier.replay.computed import Computed
from verifier.replay.credentials import Credentials, resolve
from verifier.replay.replay_script import ReplayScript, recorded_gaps, service_of
from verifier.runtime.stores.registered import PROCESS_STORES, parts

LARGE = 50  # operations of a contract


@dataclass(frozen=True, slots=True)
class Prepared:
    """One pair of versions, ready to run. `versions` are those of the compatibility table of all pairs."""

    pair: Pair
    registry: ContractRegistry
    contracts: tuple[tuple[str, str, Path], ...]  # service, version, file
    replay_scripts: dict[str, ReplayScript]
    plan: Plan
    named: str  # path of the matrix as given on the command line
    credentials: Credentials | None = None  # never stored
    notes: tuple[str, ...] = ()  # unusual inputs that do not prevent a run
    versions: tuple[str, ...] = ()
    whole: Matrix | None = None  # with all versions

    @property
    def matrix(self) -> Matrix:
        """The matrix with the versions of this pair alone."""
        return self.pair.matrix

    @property
    def computed(self) -> Computed | None:
        """What computes the values that clients compute; None without such a rule."""
        rules = tuple(rule for traffic in self.matrix.traffic for rule in traffic.computed)
        return Computed(rules, self.credentials) if rules else None

    @property
    def names_secrets(self) -> bool:
        """Whether the matrix names credentials or keys."""
        return any(
            traffic.credentials or any(rule.keyed for rule in traffic.computed) for traffic in self.matrix.traffic
        )


def prepare(
    file: Path,
    seed: int,
    budget: float | None = None,
    environ: Mapping[str, str] | None = os.environ,
    say: Callable[[str], object] = lambda text: None,
    all_pairs: bool = False,
    folder: Path | None = None,
) -> tuple[Prepared, ...]:
    """Read all inputs of a matrix and make the plan of each of its pairs; `budget` (seconds) and `all_pairs` override
    what the matrix says.

    Paths in the matrix are relative to `folder`, by default its own. The pairs share the budget equally.
    `say` is told what is about to take seconds, and which recordings hold what
    looks like secrets.

    Secrets that the matrix names are read from `environ` and from files. If `environ` is None, they are not read, and
    the result can be shown but not run. Raises BadInput with every problem found.
    """
    matrix = _parsed(file, os.environ if environ is None else environ, folder)
    check_invariants(matrix)
    if budget is not None:
        matrix = replace(matrix, budget=budget)
    if all_pairs:
        matrix = replace(matrix, pairs=PAIRINGS[1])
    told: set[str] = set()

    def once(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            say(sentence)

    found: list[Prepared] = []
    problems: list[Problem] = []
    every = pairs(replace(matrix, budget=matrix.budget / max(1, len(pairs(matrix)))))
    notes = left_out(matrix, every)
    for pair in every:
        try:
            made = _prepared(pair, notes, file, seed, environ, once)
            found.append(replace(made, versions=versions(matrix), whole=matrix))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(sorted(set(problems)))
    return tuple(found)


def without_traffic(file: Path) -> Matrix:
    """The matrix of a file whose traffic is not recorded yet. Raises BadInput with every other problem."""
    return _parsed(file, os.environ, None, recorded=False)


def _parsed(file: Path, environ: Mapping[str, str], folder: Path | None, *, recorded: bool = True) -> Matrix:
    """The matrix of a file. A Compose file gets a message of its own."""
    try:
        return parse(file, PROCESS_STORES, environ, parts, folder, recorded)
    except BadInput:
        from verifier.compose.read import refuse_compose  # late: only a wrong file needs it

        refuse_compose(file)
        raise


def _prepared(
    pair: Pair,
    told: tuple[str, ...],
    file: Path,
    seed: int,
    environ: Mapping[str, str] | None,
    say: Callable[[str], object],
) -> Prepared:
    """One pair with its plan. `told` are the notes so far. Raises BadInput."""
    matrix = pair.matrix
    problems: list[Problem] = []
    contracts = _contracts(matrix)
    entries: list[VersionContract] = []
    for service, version, contract in contracts:
        try:
            entries.append(_version_contract(service, version, contract))
        except BadInput as error:
            problems += error.problems
    replay_scripts: dict[str, ReplayScript] = {}
    registry = ContractRegistry(tuple(entries))
    notes = list(told)
    for number, traffic in enumerate(matrix.traffic, 1):
        try:
            replay_scripts |= _replay_scripts(matrix, traffic, number, notes, say)
        except BadInput as error:
            problems += error.problems
    credentials = None
    try:
        declared = [credential for traffic in matrix.traffic for credential in traffic.credentials]
        declared += [rule.source for traffic in matrix.traffic for rule in traffic.computed if rule.source is not None]
        credentials = resolve(declared, matrix.file, environ, hidden(matrix.caller)) if environ is not None else None
    except BadInput as error:
        problems += error.problems
    if problems:
        raise BadInput(sorted(set(problems)))
    shapes = tuple(shape(name, replay_script, registry, matrix) for name, replay_script in replay_scripts.items())
    for sentence in _lengthy(matrix, registry):
        say(sentence)
    made = plan(matrix, shapes, seed, registry)
    return Prepared(pair, registry, contracts, replay_scripts, made, str(file), credentials, tuple(notes))


def _version_contract(service: str, version: str, file: Path) -> VersionContract:
    from verifier.checks.registered import DECLARATIONS  # late: it imports every check, and many matrices declare none

    return version_contract(service, version, file, DECLARATIONS)


def _lengthy(matrix: Matrix, registry: ContractRegistry) -> Iterator[str]:
    """A sentence for each service whose contracts are so large that it takes seconds to compare them."""
    for service in matrix.services:
        known = [registry.contract(service.name, version.name) for version in service.versions]
        count = max((len(contract.operations) for contract in known if contract is not None), default=0)
        if len(known) > 1 and count >= LARGE:
            yield f"comparing the contracts of {service.name}: {count} operations"


def _contracts(matrix: Matrix) -> tuple[tuple[str, str, Path], ...]:
    found = [
        (service.name, version.name, version.contract)
        for service in matrix.services
        for version in service.versions
        if version.contract is not None
    ]
    found += [(partner.name, "", partner.contract) for partner in matrix.partners if partner.contract is not None]
    return tuple(found)


def _replay_scripts(
    matrix: Matrix, traffic: Traffic, number: int, notes: list[str], say: Callable[[str], object]
) -> dict[str, ReplayScript]:
    recording = load(traffic.recording, traffic.session_header)
    if warning := suspicion(recording, traffic.session_header):
        say(f"warning: {warning}")
    if problems := list(_not_sent(matrix, traffic, recording)):
        raise BadInput(problems)
    recording, unmatched = filtered(recording, traffic, str(matrix.file))
    notes += unmatched
    return analysed(matrix, traffic, recording, prefix_of(matrix, number))


def prefix_of(matrix: Matrix, number: int) -> str:
    """What distinguishes the sessions of the recording with this number, from 1; "" for those of the only one."""
    return "" if len(matrix.traffic) == 1 else f"{number}-"


def analysed(matrix: Matrix, traffic: Traffic, recording: Recording, prefix: str) -> dict[str, ReplayScript]:
    """The sessions of a recording of this traffic, ready for replay; `prefix` stands before their names."""
    keep = (*traffic.rules.keep, *(entry.placeholder for entry in traffic.credentials))
    keep += tuple(rule.place for rule in traffic.computed)
    rules = Rules(flows=traffic.rules.flows, keep=keep, fresh=traffic.rules.fresh)
    found = {}
    sessions = tuple(map(_asking_readable, recording.sessions))
    scripts = learn_all(sessions, began=recording.began, rules=rules, empty_stores=_begin_empty(matrix))
    for session, script in zip(sessions, scripts, strict=True):
        services = tuple(service_of(step.exchange.host, matrix.ports, traffic.service) for step in script.steps)
        found[f"{prefix}{session.id}"] = ReplayScript(script, services, recorded_gaps(script))
    return found


def _begin_empty(matrix: Matrix) -> bool:
    """Whether nothing but what the services' own migrations leave is in the stores when a replay begins."""
    filled = any(store.seed is not None or store.content is not None for store in matrix.stores)
    versions = (version for service in matrix.services for version in service.versions)
    return not filled and not any(version.prepare or version.seed for version in versions)


def _asking_readable(session: Session) -> Session:
    """Limit Accept-Encoding to codings that the verifier can decode. It could not read or check other responses."""
    return replace(
        session,
        exchanges=tuple(
            replace(item, request=structs.replace(item.request, headers=limit_accept_encoding(item.request.headers)))
            for item in session.exchanges
        ),
    )


def _not_sent(matrix: Matrix, traffic: Traffic, recording: Recording) -> Iterator[Problem]:
    """Problems: credentials that no request of the recording contains, usually because the recording is newer."""
    known = sent(recording) if traffic.credentials else frozenset()
    for entry in traffic.credentials:
        if entry.placeholder not in known:
            close = difflib.get_close_matches(entry.placeholder, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            message = f"{entry.placeholder!r} is in no request of {traffic.recording}{hint}"
            yield Problem(str(matrix.file), entry.line, entry.key, message)


def shape(name: str, replay_script: ReplayScript, registry: ContractRegistry, matrix: Matrix) -> SessionShape:
    """What the planner must know of a session that is ready for replay."""
    exchanges = []
    script = replay_script.script
    awaited = {step.waiting.write for step in script.steps if step.waiting is not None and step.waiting.until}
    prefix = name.removesuffix(script.session)  # distinguishes the sessions of several recordings
    for index, (step, service) in enumerate(zip(script.steps, replay_script.services, strict=True)):
        request, recorded, old = step.exchange.request, step.exchange.response.status, matrix.service(service).old.name
        known = registry.operation(service, old, request.method, request.path)
        completes = registry.completes(service, old, known.id) if known else None
        same_client = index > 0 and script.steps[index - 1].lender == step.lender
        free = same_client and step.waiting is None and not script.depends(index, index - 1)
        exchanges.append(
            ExchangeShape(
                known.id if known else step.name,
                service,
                request.method not in SAFE,
                free,
                recorded=recorded,
                polled=step.waiting is not None,
                lender=f"{prefix}{step.lender}" if step.lender else "",
                accepts=index in awaited or recorded == (completes.accepted if completes else 202),
                passing=step.waiting.passing if step.waiting is not None else (),
                awaited=index in awaited or (completes is not None and recorded == completes.accepted),
            )
        )
    return SessionShape(name, tuple(exchanges))
