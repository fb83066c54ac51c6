"""The verifier reaches a PostgreSQL store on both runtimes, and an invariant can ask it."""

from __future__ import annotations

import asyncio
from typing import Any

from verifier.rehearsal.invariants import of_postgres
from verifier.runtime.base import ReachesStores, StoreSpec


def test_a_store_is_asked_at_the_address_at_which_the_verifier_reaches_it(world: Any) -> None:
    async def scenario() -> None:
        async with world.opened() as runtime:
            folder = world.directory
            spec = StoreSpec("db", "postgres:15", "postgres", (), None, None, folder / "db", folder / "db.log")
            inside = await runtime.start_store(spec)
            url = runtime.store_url("db") if isinstance(runtime, ReachesStores) else inside
            assert isinstance(runtime, ReachesStores) is (world.name == "docker")
            found = await asyncio.to_thread(of_postgres, url, "SELECT 1 AS one")
            assert found == ['{"one": 1}']

    asyncio.run(scenario())
