"""`--scheduler ADDRESS`: the cells of a run are carried out by the workers of a Dask scheduler."""

from __future__ import annotations

from dataclasses import replace

from verifier.cli.rehearse import Manner
from verifier.rehearsal.cluster import DaskWorkers
from verifier.rehearsal.share import Asked
from verifier.runtime.select import Selection


def on_workers(address: str, choice: str, manner: Manner, asked: Asked, plan: str) -> tuple[Selection, Manner]:
    """The runtime of the workers, and how to rehearse on them: as many paths at a time as they have threads.

    Raises BadInput without the libraries, and BrokenEnvironment without workers.
    """
    cached = manner.cache is not None
    workers = DaskWorkers(address, asked, plan, cached)
    workers.connect()
    try:
        chosen, threads = workers.choose(choice), sum(workers.threads)
    finally:
        workers.disconnect()
    return chosen, replace(
        manner,
        parallel=threads,
        cache=None,
        elsewhere=lambda: DaskWorkers(address, asked, plan, cached, chosen.name),
    )
