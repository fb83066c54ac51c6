"""The sweep reads everything acknowledged through every live version, and older things fairly."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival, replay, replay_harness, run_bounded, step
from verifier.http.message import Response
from verifier.replay.cursor import distinct
from verifier.replay.readback import prune, sweep
from verifier.replay.resources import MOST_OLDER, Resource, Resources
from verifier.replay.resources import resource as read_resource

PUT = (request("PUT", "/things/6a7b0c9e-3a52-4a43-9c6e-0a2f5dd3e0b1", {"v": 1}), answer(200, {"v": 1}))
GET = (request("GET", "/things/6a7b0c9e-3a52-4a43-9c6e-0a2f5dd3e0b1"), answer(200, {"v": 1}))


async def well(arrival: Arrival) -> Response:
    return answer(200, {"v": 1})


def test_everything_acknowledged_is_read_through_every_live_version() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1", "2") as harness:
            replayer = harness.replayer(PUT, GET)
            await replayer.run(step(*(replay("1", "2", id=f"r{n}") for n in range(5))), lambda: None)
            harness.arrived.clear()
            before = len(harness.operations)
            assert await sweep(replayer, "rollout.1") == 10
            reads = harness.operations[before:]
            assert Counter((entry.request.target, entry.version) for entry in harness.arrived) == {
                (resource.request.target, version): 1 for resource in replayer.resources for version in "12"
            }
            assert {entry.source for entry in reads} == {"sweep"}
            assert len({entry.id for entry in harness.operations}) == len(harness.operations)
            assert {entry.parent for entry in reads} == {entry.operation for entry in replayer.resources}
            assert {entry.step for entry in reads} == {"rollout.1"}
            await harness.replica("orders", "3")
            assert await sweep(replayer, "rollout.2") == 15
            assert harness.notes == []

    run_bounded(scenario())


def test_two_turns_of_one_step_do_not_share_ids() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1") as harness:
            replayer = harness.replayer(PUT, GET)
            await replayer.run(step(replay("1", "1")), lambda: None)
            for turn in (1, 2):
                await sweep(replayer, "rollout.1", turn)
            assert len({entry.id for entry in harness.operations}) == len(harness.operations) == 4
            assert [entry.attempt for entry in harness.operations[2:]] == [1, 2]

    run_bounded(scenario())


def test_what_was_left_out_is_noted() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1") as harness:
            replayer = harness.replayer(PUT, GET)
            await replayer.run(step(replay("1", "1")), lambda: None)
            (one,) = replayer.resources
            for number in range(MOST_OLDER + 20):
                replayer.resources.add([structs.replace(one, request=request("GET", f"/{number}"))])
            assert await sweep(replayer, "rollout.2") == MOST_OLDER
            (note,) = harness.notes
            assert (note.kind, note.step) == ("not-run", "rollout.2")
            assert note.message.startswith("21 resources")

    run_bounded(scenario())


def test_what_earlier_steps_read_is_forgotten_beyond_what_a_sweep_can_take_and_still_counted() -> None:
    async def scenario() -> None:
        async with replay_harness(well, "1") as harness:
            replayer = harness.replayer(PUT, GET)
            total = 3 * MOST_OLDER
            for number in range(total):
                for at, name in (("rollout.1", "a"), ("rollout.2", "b")):
                    entry = resource(number, at, name, ("1",) if number % 2 else ("1", "1"))
                    replayer.resources.add([structs.replace(entry, request=request("GET", f"/{name}/{number}"))])
            prune(replayer, "rollout.2")
            left = Counter(entry.step for entry in replayer.resources)
            assert left == {"rollout.1": MOST_OLDER, "rollout.2": total}, "nothing of this step is forgotten"
            assert replayer.resources.pruned == total - MOST_OLDER
            prune(replayer, "rollout.2")
            assert Counter(entry.step for entry in replayer.resources) == left
            harness.arrived.clear()
            assert await sweep(replayer, "rollout.3") == MOST_OLDER
            assert harness.notes[-1].message.startswith(f"{2 * total - MOST_OLDER} resources")
            known = {entry.request.target for entry in replayer.resources}
            gone = next(f"/a/{number}" for number in range(total) if f"/a/{number}" not in known)
            counted = replayer.resources.pruned
            read = structs.replace(harness.operations[-1], request=request("GET", gone), step="rollout.3")
            replayer.resources.add([read_resource(read, ("1",))])
            assert replayer.resources.pruned == counted - 1, "it was read again"

    run_bounded(scenario())


def resource(number: int, at: str, name: str, versions: tuple[str, ...]) -> Resource:
    return Resource("orders", name, request("GET", f"/{number}"), f"o{number}", at, "r1", "s1", 0, distinct(versions))


resources = st.lists(
    st.tuples(
        st.sampled_from(["rollout.1", "rollout.2", "rollout.3"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([("1",), ("2",), ("1", "2"), ("2", "1")]),
    ),
    max_size=400,
).map(lambda found: [resource(number, *entry) for number, entry in enumerate(found)])


@given(resources, st.integers(0, 9))
def test_older_ones_are_chosen_evenly_and_none_of_this_step_is_left_out(found: list[Resource], seed: int) -> None:
    known = Resources()
    known.add(list(found))
    chosen, left_out = known.choose("rollout.3", random.Random(seed))
    current = [entry for entry in found if entry.step == "rollout.3"]
    older = [entry for entry in chosen if entry.step != "rollout.3"]
    assert chosen[: len(current)] == current
    assert len({entry.operation for entry in chosen}) == len(chosen)
    assert len(chosen) + left_out == len(found)
    assert len(older) == min(MOST_OLDER, len(found) - len(current))

    def group(entry: Resource) -> tuple[str, str, tuple[str, ...]]:
        return entry.step, entry.name, tuple(sorted(set(entry.versions)))

    had = Counter(group(entry) for entry in found if entry.step != "rollout.3")
    took = Counter(group(entry) for entry in older)
    for one, count in had.items():
        for other in had:
            # Nobody has two more than one that has not been emptied.
            assert took[one] == count or took[other] <= took[one] + 1
    assert known.choose("rollout.3", random.Random(seed)) == (chosen, left_out)
