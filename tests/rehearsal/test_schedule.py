"""Independent jobs side by side: how many at a time, and what becomes of the others when one fails."""

from __future__ import annotations

import asyncio

import pytest

from verifier.rehearsal.schedule import most_parallel, side_by_side


class Jobs:
    """Jobs that tell when they begin and end. Each waits until `together` of them are under way."""

    def __init__(self, together: int, lasting: bool = False) -> None:
        self.lasting, self.together, self.log, self.under_way, self.most = lasting, together, list[str](), 0, 0
        self.enough = asyncio.Event()

    async def job(self, name: str) -> None:
        self.log.append(f"begin {name}")
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.under_way == self.together:
            self.enough.set()
        try:
            await self.enough.wait()
            await (asyncio.Event().wait() if self.lasting else asyncio.sleep(0))
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # tidying up takes a moment
            self.log.append(f"tidied {name}")
            raise
        finally:
            self.under_way -= 1
        self.log.append(f"end {name}")


@pytest.mark.parametrize("most", [1, 2, 5])
def test_so_many_run_at_a_time_in_their_order(most: int) -> None:
    async def scenario() -> None:
        jobs = Jobs(most)
        await side_by_side([lambda name=name: jobs.job(name) for name in "abcde"], most)
        assert jobs.most == most
        assert [entry for entry in jobs.log if entry.startswith("begin")] == [f"begin {name}" for name in "abcde"]
        assert sorted(entry for entry in jobs.log if entry.startswith("end")) == [f"end {name}" for name in "abcde"]

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [ValueError("b failed"), KeyboardInterrupt(), SystemExit(3)])
def test_when_one_fails_the_others_are_tidied_up_before_it_is_told(error: BaseException) -> None:
    async def scenario() -> None:
        log: list[str] = []
        begun = asyncio.Event()

        async def fails() -> None:
            await begun.wait()
            raise error

        async def lasts() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)  # tidying up takes a moment
                log.append("tidied")

        async def later() -> None:
            log.append("later")

        with pytest.raises(type(error)):
            await side_by_side([fails, lasts, lasts, later], 3)
        assert log == ["tidied", "tidied"]

    asyncio.run(scenario())


def test_cancelling_all_cancels_each_and_waits_for_it() -> None:
    async def scenario() -> None:
        jobs = Jobs(2, lasting=True)
        whole = asyncio.create_task(side_by_side([lambda name=name: jobs.job(name) for name in "ab"], 2))
        await asyncio.wait_for(jobs.enough.wait(), 10)
        whole.cancel()
        with pytest.raises(asyncio.CancelledError):
            await whole
        assert sorted(jobs.log) == ["begin a", "begin b", "tidied a", "tidied b"]

    asyncio.run(scenario())


def test_nothing_to_do_and_a_machine_that_bears_at_least_one() -> None:
    asyncio.run(side_by_side([], 3))
    assert most_parallel() >= 1
