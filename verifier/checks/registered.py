"""Every guarantee that is judged, in the order of the columns in reports. A new guarantee takes one line here."""

from __future__ import annotations

from verifier.checks import (
    available,
    compatible,
    completes,
    effects,
    freshness,
    idempotent,
    invariants,
    lost_write,
    order_per_key,
    recovers,
    seams,
)
from verifier.checks.guarantee import Guarantee

GUARANTEES: tuple[Guarantee, ...] = (
    available.AVAILABLE,
    compatible.COMPATIBLE,
    seams.SEAM,
    lost_write.NO_LOST_WRITE,
    idempotent.IDEMPOTENT,
    completes.COMPLETES,
    recovers.RECOVERS_GUARANTEE,
    completes.FORWARD_ONLY,
    effects.HONEST_COMPLETION,
    effects.EXACTLY_ONCE,
    order_per_key.ORDER_PER_KEY,
    invariants.INVARIANT,
    freshness.READ_YOUR_WRITES,
    lost_write.ROLLBACK_SAFE,
)

DECLARATIONS = tuple(found.declaration for found in GUARANTEES if found.declaration is not None)
SEVERITY = {found.name: found.severity for found in GUARANTEES}  # higher is graver
