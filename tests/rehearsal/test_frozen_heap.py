"""The garbage collector is quieter while a run goes on, and as it was afterwards."""

from __future__ import annotations

import gc

import pytest

from verifier.rehearsal.frozen_heap import frozen_heap


def test_the_collector_is_as_it_was_even_after_a_failure() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with pytest.raises(OSError), frozen_heap():
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count() > frozen
        raise OSError
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
