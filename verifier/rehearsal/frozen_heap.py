"""The garbage collector while a run goes on: it looks at what is new alone, and not as often."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_NEW = 10_000  # objects that come to be before it looks at them


@contextmanager
def settled() -> Iterator[None]:
    """What is there now is taken to stay until the end: looking through it took as long as a third of long sessions."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
