"""An empty text that another version tells as null: another rendering of nothing, and no break of compatibility."""

from __future__ import annotations

from verifier.checks.context import Context
from verifier.checks.readings import kind_of, learn, response_values
from verifier.checks.relations import NOTHING
from verifier.checks.renderings import EMPTY
from verifier.checks.shapes import Misfit
from verifier.history.model import Operation

REASON = "an empty text is told as null"


class EmptyTexts:
    """Compares a null with what the old version by itself shows at the same exchange of the same session.

    There it has to be an empty text in every undisturbed response of its control; in a list at least one, and the texts
    that are not empty must not all be gone. So a text that is told as null is found. It can be wrong where a client
    calls a method of the text: nothing declared says that it may not be null, and the report lists it.
    """

    def __init__(self, context: Context) -> None:
        self._learned = context.once(learn)
        self._old = {entry.name: entry.old for entry in context.history.run.services}

    def explain(self, operation: Operation, misfit: Misfit) -> bool:
        if misfit.now != "null" or "string" not in misfit.was or operation.response is None:
            return False
        replay = self._learned.replays.of(operation)
        place = (operation.service, operation.session, operation.index, kind_of(operation))
        known = self._learned.relations.get((place, self._old.get(operation.service, "")))
        if replay is None or known is None:
            return False
        usual = known.shown.get(misfit.pointer, ())
        shown = (response_values(operation.response, replay) or {}).get(misfit.pointer, NOTHING)
        keeps = bool(shown - {EMPTY}) or not any(texts - {EMPTY} for texts in usual)
        return bool(usual) and all(EMPTY in texts for texts in usual) and keeps
