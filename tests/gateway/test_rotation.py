"""Picks go by turn, per choice; what a replica has in hand is waited for, and only that."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from verifier.gateway.rotation import Endpoint, Rotation
from verifier.runtime.base import Address


def endpoint(replica: str, version: str = "1", service: str = "orders") -> Endpoint:
    return Endpoint(service, version, replica, Address("127.0.0.1", 1))


def rotation(*endpoints: Endpoint) -> Rotation:
    made = Rotation()
    for entry in endpoints:
        made.add(entry)
    return made


@given(
    st.lists(st.sampled_from(["1", "2"]), min_size=1, max_size=6), st.integers(1, 40), st.sampled_from(["", "1", "2"])
)
def test_every_replica_of_a_choice_gets_its_share(versions: list[str], picks: int, wanted: str) -> None:
    made = rotation(*(endpoint(f"r{number}", version) for number, version in enumerate(versions)))
    chosen = [made.pick("orders", wanted) for _ in range(picks)]
    fitting = [number for number, version in enumerate(versions) if not wanted or version == wanted]
    if not fitting:
        assert chosen == [None] * picks
        return
    counts = Counter(entry.replica for entry in chosen if entry is not None)
    assert sum(counts.values()) == picks
    shares = [counts[f"r{number}"] for number in fitting]
    assert sum(shares) == picks, "none of another version"
    assert max(shares) - min(shares) <= 1


def test_services_do_not_take_each_other_s_turns() -> None:
    made = rotation(endpoint("a"), endpoint("b"), endpoint("p", service="payments"))
    picked = []
    for _ in range(2):
        found = made.pick("orders")
        assert found is not None
        picked.append(found.replica)
        assert made.pick("payments") == endpoint("p", service="payments")
    assert picked == ["a", "b"]


def test_a_removed_replica_is_not_picked_again() -> None:
    made = rotation(endpoint("a"), endpoint("b", "2"))
    assert made.versions("orders") == ("1", "2")
    assert made.remove("a") == endpoint("a")
    assert made.remove("a") is None
    assert made.versions("orders") == ("2",)
    assert made.pick("orders", "1") is None
    assert made.pick("orders") == endpoint("b", "2")
    made.clear()
    assert made.pick("orders") is None


def test_a_pick_that_was_not_used_is_given_again() -> None:
    made = Rotation()
    made.undo_pick("orders", "1")
    for replica in ("a", "b", "c"):
        made.add(endpoint(replica))
    turns = []
    for again in (False, True, False, True, True):
        picked = made.pick("orders", "1")
        assert picked is not None
        if again:
            made.undo_pick("orders", "1")
        turns.append(picked.replica)
    assert turns == ["a", "b", "b", "c", "c"]


def test_drained_waits_for_what_is_in_hand_and_not_for_what_comes_later() -> None:
    async def scenario() -> None:
        made, first, later = Rotation(), asyncio.Event(), asyncio.Event()

        async def hold(event: asyncio.Event, replica: str = "a") -> None:
            with made.in_flight(endpoint(replica)):
                await event.wait()

        held = asyncio.create_task(hold(first))
        other = asyncio.create_task(hold(later, "b"))
        await asyncio.sleep(0)
        draining = asyncio.create_task(made.drained("a", 60.0))
        await asyncio.sleep(0)
        newer = asyncio.create_task(hold(later))
        await asyncio.sleep(0)
        assert not draining.done()
        first.set()
        await draining
        assert held.done()
        assert not newer.done()
        later.set()
        await asyncio.gather(newer, other)
        await made.drained("a", 60.0)  # nothing left to wait for

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_request_that_fails_is_no_longer_in_hand() -> None:
    async def scenario() -> None:
        made = Rotation()
        try:
            with made.in_flight(endpoint("a")):
                raise ConnectionError
        except ConnectionError:
            pass
        await made.drained("a", 60.0)

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_drained_gives_up_at_its_bound() -> None:
    async def scenario() -> None:
        made = Rotation()
        with made.in_flight(endpoint("a")):
            await made.drained("a", 0.01)

    asyncio.run(asyncio.wait_for(scenario(), 30))
