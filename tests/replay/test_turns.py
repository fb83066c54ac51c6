"""Paths side by side: one that needs the machine for itself has it, and no other waits for ever."""

from __future__ import annotations

import asyncio
import random

import pytest

from verifier.replay.turns import Machine, Turn


@pytest.mark.parametrize("seed", range(20))
def test_who_is_alone_is_alone_and_everybody_ends(seed: int) -> None:
    """Four paths with parts of random lengths, some of them alone."""
    draw = random.Random(seed)
    machine, working, done = Machine(), set[int](), list[int]()

    async def path(number: int) -> None:
        turn = Turn(machine)
        await turn.begin()
        try:
            for _ in range(10):
                await turn.give_way()
                if draw.random() < 0.3:
                    async with turn.alone():
                        await part(number, {number})
                else:
                    await part(number, None)
        finally:
            turn.end()
        done.append(number)

    async def part(number: int, only: set[int] | None) -> None:
        working.add(number)
        for _ in range(draw.randrange(5)):
            assert only is None or working == only
            await asyncio.sleep(0)
        working.discard(number)

    async def scenario() -> None:
        await asyncio.wait_for(asyncio.gather(*map(path, range(4))), 30)

    asyncio.run(scenario())
    assert sorted(done) == [0, 1, 2, 3]
    assert (machine.together, machine.asking, machine.alone) == (0, 0, False)


def test_one_that_is_cancelled_while_it_asks_or_is_alone_leaves_the_machine_to_the_others() -> None:
    async def scenario() -> None:
        machine = Machine()
        other, turn = Turn(machine), Turn(machine)
        await other.begin()
        await turn.begin()
        entered = asyncio.Event()

        async def asks() -> None:
            async with turn.alone():
                entered.set()
                await asyncio.Event().wait()

        for rests in (False, True):
            task = asyncio.create_task(asks())
            while not machine.asking:  # noqa: ASYNC110 - it asks at its first turn
                await asyncio.sleep(0)
            resting = asyncio.create_task(other.give_way()) if rests else None
            if rests:
                await asyncio.wait_for(entered.wait(), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            if resting is not None:
                await asyncio.wait_for(resting, 10)
            assert (machine.asking, machine.alone) == (0, False)
            turn.end()
            await turn.begin()

    asyncio.run(scenario())


def test_alone_without_others_waits_for_nobody() -> None:
    async def scenario() -> None:
        turn = Turn()
        async with turn.alone():
            assert turn.machine.alone
        await turn.give_way()
        assert turn.machine == Machine()

    asyncio.run(scenario())
