"""The gateway on real sockets: who calls whom, which version serves, what an inner fault does on the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.correlation.building import answer
from tests.replay.harness import Arrival, ReplayHarness, replay_harness, run_bounded, until
from verifier.contracts.registry import ContractRegistry, version_contract
from verifier.gateway.gateway import CallingReplica, Cause
from verifier.history.model import Outcome
from verifier.http.client import SendResult
from verifier.http.message import Request, Response, header
from verifier.http.server import Reply
from verifier.plan.model import Fault

TRACE = "0123456789abcdef0123456789abcdef"
TRACED = (("traceparent", f"00-{TRACE}-0123456789abcdef-01"),)
CHARGE = Request("POST", "/charge?x=1", (("Content-Type", "application/json"),), b'{"n": 1}')


async def serves(arrival: Arrival) -> Response:
    return answer(201, {"by": arrival.version, "number": arrival.number})


def inner(kind: str, first: str = "1", second: str = "2", callee: str = "payments") -> Fault:
    return Fault(kind, 0, "placeOrder", first, second, callee)


def cause(fault: Fault | None = None) -> Cause:
    return Cause("rollout.1/r1/1.1", "rollout.1", "r1", "s1", fault)


async def call(
    harness: ReplayHarness, callee: str = "payments", request: Request = CHARGE, *, traced: bool = True
) -> SendResult:
    """A call of orders 9 to a callee, by the address that it was given for it."""
    ports = await harness.gateway.attach("orders-9-1", "orders", "9", (callee,))
    headers = (*request.headers, *TRACED) if traced else request.headers
    sent = Request(request.method, request.target, headers, request.body)
    return await harness.client.send("127.0.0.1", ports[callee], sent, timeout=30.0)


def test_a_call_is_forwarded_and_recorded_with_its_cause() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", service="payments") as harness:
            harness.gateway.expect(TRACE, cause())
            got = await call(harness)
            assert got.response is not None
            assert got.response.status == 201
            (arrival,) = harness.arrived
            assert arrival.request.target == "/charge?x=1"
            assert arrival.request.body == CHARGE.body
            assert header(arrival.request.headers, "host") == "payments:8081", "the name that a service knows itself by"
            assert header(arrival.request.headers, "traceparent") == TRACED[0][1]
            (entry,) = harness.operations
            assert (entry.id, entry.parent) == ("rollout.1/r1/1.1/payments-1", "rollout.1/r1/1.1")
            assert (entry.step, entry.replay, entry.session, entry.source) == ("rollout.1", "r1", "s1", "inner")
            assert (entry.caller, entry.caller_version) == ("orders", "9")
            assert (entry.service, entry.version, entry.replica) == ("payments", "1", "payments-1-1")
            assert (entry.outcome, entry.error, entry.fault) == ("ok", "", "")
            assert entry.response == got.response or entry.response is not None
            assert entry.started <= entry.ended
            await call(harness)
            assert [one.id for one in harness.operations] == [f"rollout.1/r1/1.1/payments-{n}" for n in (1, 2)]
            assert harness.gateway.passes_traces

    run_bounded(scenario())


@pytest.mark.parametrize("first", ["1", "2"])
def test_the_version_that_a_fault_names_serves(first: str) -> None:
    """The disturbed call goes to `first`, those after it to `second`."""

    async def scenario() -> None:
        second = "2" if first == "1" else "1"
        async with replay_harness(serves, "1", "2", service="payments") as harness:
            harness.gateway.expect(TRACE, cause(inner("inner-late-answer", first, second)))
            for _ in range(3):
                await call(harness)
            assert [entry.version for entry in harness.arrived] == [first, second, second]
            assert [entry.version for entry in harness.operations] == [first, second, second]
            assert [entry.fault for entry in harness.operations] == ["inner-late-answer", "", ""]
            (fault,) = harness.injected
            assert (fault.kind, fault.operation, fault.first) == ("inner-late-answer", harness.operations[0].id, first)
            assert (fault.name, fault.second, fault.replay) == ("POST /charge", second, "r1")

    run_bounded(scenario())


def test_without_a_fault_calls_go_by_turn() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", "2", service="payments") as harness:
            for _ in range(4):
                await call(harness, traced=False)
            assert sorted(entry.version for entry in harness.arrived) == ["1", "1", "2", "2"]

    run_bounded(scenario())


def test_a_lost_inner_answer_happened_and_its_caller_knows_nothing() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", "2", service="payments") as harness:
            harness.gateway.expect(TRACE, cause(inner("inner-lost-answer")))
            got = await call(harness)
            assert got.response is None
            assert got.error == "closed"
            assert [entry.version for entry in harness.arrived] == ["1"]
            (entry,) = harness.operations
            assert entry.response is not None
            assert (entry.response.status, entry.outcome) == (201, "info")
            again = await call(harness)
            assert again.response is not None
            assert [entry.version for entry in harness.arrived] == ["1", "2"], "the retry meets the other version"
            assert len(harness.injected) == 1

    run_bounded(scenario())


def test_an_inner_duplicate_arrives_twice_and_is_answered_once() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", "2", service="payments") as harness:
            harness.gateway.expect(TRACE, cause(inner("inner-duplicate")))
            got = await call(harness)
            assert [(entry.version, entry.request.body) for entry in harness.arrived] == [
                ("1", CHARGE.body),
                ("2", CHARGE.body),
            ]
            assert got.response is not None
            assert got.response.body == answer(201, {"by": "1", "number": 1}).body, "the first one's answer"
            assert [entry.fault for entry in harness.operations] == ["inner-duplicate"] * 2
            assert len({entry.id for entry in harness.operations}) == 2
            assert len(harness.injected) == 1

    run_bounded(scenario())


def test_a_late_inner_answer_comes_after_the_effect() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", "2", service="payments") as harness:
            harness.gateway.expect(TRACE, cause(inner("inner-late-answer")))
            calling = asyncio.create_task(call(harness))
            await until(lambda: bool(harness.operations))
            assert not calling.done(), "the service has answered, and its caller still waits"
            got = await calling
            assert got.response is not None
            assert got.answered > harness.operations[0].ended

    run_bounded(scenario())


@pytest.mark.parametrize(
    ("reply", "error", "outcome"),
    [(Reply(None), "closed", "info"), (Reply(answer(200, {"a": 1}), cut_after=1, reset=True), "reset", "info")],
)
def test_what_breaks_between_services_is_passed_on(reply: Reply, error: str, outcome: Outcome) -> None:
    async def scenario() -> None:
        async def breaks(arrival: Arrival) -> Reply:
            return reply

        async with replay_harness(breaks, "1", service="payments") as harness:
            got = await call(harness)
            assert got.response is None
            (entry,) = harness.operations
            assert (entry.error, entry.outcome) == (error, outcome)

    run_bounded(scenario())


@pytest.mark.parametrize("kind", ["", "inner-lost-answer", "inner-late-answer", "inner-duplicate"])
def test_a_callee_without_a_replica_is_refused(kind: str) -> None:
    """Nothing happened, whatever fault was meant for it: the caller gets no answer, and no fault took place."""

    async def scenario() -> None:
        async with replay_harness(serves) as harness:
            harness.gateway.expect(TRACE, cause(inner(kind) if kind else None))
            got = await call(harness)
            assert got.response is None
            assert harness.operations
            for entry in harness.operations:
                assert (entry.error, entry.outcome, entry.version, entry.replica) == ("refused", "fail", "", "")
            assert harness.injected == []

    run_bounded(scenario())


def test_a_fault_for_one_callee_leaves_another_alone() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", service="payments", partners={"psp": 0.0}) as harness:
            harness.gateway.expect(TRACE, cause(inner("inner-lost-answer", "1", "1")))
            assert (await call(harness, "psp")).response is not None
            assert (await call(harness, "payments")).response is None

    run_bounded(scenario())


def test_the_host_header_names_the_callee_of_a_shared_address() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", service="payments") as harness:
            named = Request("GET", "/", (("Host", "payments:8081"),))
            assert (await call(harness, "", named)).response is not None
            stranger = Request("GET", "/", (("Host", "elsewhere:1"),))
            assert (await call(harness, "", stranger)).response is None
            assert [(entry.service, entry.error) for entry in harness.operations] == [
                ("payments", ""),
                ("elsewhere", "refused"),
            ]

    run_bounded(scenario())


# --- whose call it is ---


@pytest.mark.parametrize(
    "headers",
    [(), (("traceparent", "00-ffffffffffffffffffffffffffffffff-0123456789abcdef-01"),), (("traceparent", "nonsense"),)],
)
def test_a_call_without_a_known_trace_belongs_to_nobody(headers: tuple[tuple[str, str], ...]) -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", service="payments") as harness:
            for _ in range(2):
                await call(harness, "payments", Request("POST", "/charge", headers, b"{}"), traced=False)
            assert [entry.id for entry in harness.operations] == [
                "rollout.1/inner-1/payments-1",
                "rollout.1/inner-2/payments-1",
            ]
            assert {(entry.replay, entry.session) for entry in harness.operations} == {("", "")}
            assert not harness.gateway.passes_traces

    run_bounded(scenario())


def test_a_call_without_a_trace_belongs_to_the_replay_that_runs_alone() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", "2", service="payments") as harness:
            harness.gateway.alone = Cause("rollout.1/r7/alone", "rollout.1", "r7", "s1", inner("inner-lost-answer"))
            assert (await call(harness, traced=False)).response is None
            assert (await call(harness, traced=False)).response is not None
            assert [entry.version for entry in harness.arrived] == ["1", "2"]
            assert {entry.replay for entry in harness.operations} == {"r7"}
            (fault,) = harness.injected
            assert fault.replay == "r7"

    run_bounded(scenario())


def test_a_new_path_knows_no_old_traces_and_remembers_no_partner_s_keys() -> None:
    async def scenario() -> None:
        contracts = Path(__file__).parents[2] / "contracts" / "psp" / "1.yaml"
        registry = ContractRegistry((version_contract("psp", "", contracts),))
        async with replay_harness(serves, partners={"psp": 0.0}, registry=registry) as harness:
            keyed = Request("POST", "/charge", (("Idempotency-Key", "k"),), b'{"reference": "r", "amount_cents": 1}')
            harness.gateway.expect(TRACE, cause())
            answers = [await call(harness, "psp", keyed) for _ in range(2)]
            assert [entry.effect for entry in harness.operations] == ["applied", "suppressed"]
            assert answers[0].response is not None
            assert answers[1].response is not None
            assert answers[0].response.body == answers[1].response.body
            harness.gateway.forget()
            await call(harness, "psp", keyed)
            assert harness.operations[-1].effect == "applied"
            assert harness.operations[-1].replay == "", "its trace was of the path before"
            assert {entry.name for entry in harness.operations} == {"charge"}
            assert {entry.source for entry in harness.operations} == {"partner"}

    run_bounded(scenario())


# --- partners ---


def test_a_partner_can_be_late() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, partners={"psp": 0.05}) as harness:
            got = await call(harness, "psp")
            assert got.response is not None
            (entry,) = harness.operations
            assert entry.ended - entry.started >= 0.05
            assert (entry.effect, entry.caller_version, entry.version) == ("applied", "9", "")

    run_bounded(scenario())


def test_a_partner_s_lost_answer_is_an_effect_all_the_same() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, partners={"psp": 0.0}) as harness:
            harness.gateway.expect(TRACE, cause(inner("inner-lost-answer", "", "", "psp")))
            assert (await call(harness, "psp")).response is None
            (entry,) = harness.operations
            assert (entry.effect, entry.outcome, entry.fault) == ("applied", "info", "inner-lost-answer")
            assert entry.response is not None
            assert len(harness.injected) == 1
            assert (await call(harness, "psp")).response is not None

    run_bounded(scenario())


# --- addresses ---


def test_a_detached_replica_s_addresses_are_gone_and_only_they() -> None:
    async def scenario() -> None:
        async with replay_harness(serves, "1", service="payments") as harness:
            one = await harness.gateway.attach("a", "orders", "1", ("payments", "psp"))
            two = await harness.gateway.attach("b", "orders", "2", ("payments",))
            assert len({*one.values(), *two.values()}) == 3
            await harness.gateway.detach("a")
            await harness.gateway.detach("a")
            for port in one.values():
                assert (await harness.client.send("127.0.0.1", port, CHARGE, timeout=10)).error == "refused"
            assert (await harness.client.send("127.0.0.1", two["payments"], CHARGE, timeout=10)).response is not None
            assert harness.operations[-1].caller_version == "2"

    run_bounded(scenario())


def test_a_request_under_way_through_the_gateway_keeps_its_replica_from_draining() -> None:
    async def scenario() -> None:
        release = asyncio.Event()

        async def slow(arrival: Arrival) -> Response:
            await release.wait()
            return answer(200, {})

        async with replay_harness(slow, "1", service="payments") as harness:
            calling = asyncio.create_task(call(harness))
            await until(lambda: bool(harness.arrived))
            draining = asyncio.create_task(harness.rotation.drained("payments-1-1", 60.0))
            await asyncio.sleep(0)
            assert not draining.done()
            release.set()
            await draining
            assert (await calling).response is not None

    run_bounded(scenario())


def test_a_listener_of_another_kind_is_a_mistake_of_our_own() -> None:
    async def scenario() -> None:
        async with replay_harness(serves) as harness:
            with pytest.raises(TypeError):
                await harness.gateway.handle(CHARGE, type("P", (), {"tag": "stranger"})())

    run_bounded(scenario())
    assert CallingReplica("r", "s", "v", "c").callee == "c"
