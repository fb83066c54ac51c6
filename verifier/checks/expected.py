"""What the controls lead to expect of a reading, asked in short: most readings show nothing else.

A reading that meets its expectations needs no other look (`acknowledged.py`), nor does one that repeats it.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.checks.readback import same_body
from verifier.checks.readings import PAGE, Learned, read_before, shown_before
from verifier.checks.relations import Place, Reading, Relations, absent
from verifier.checks.repeated_keys import KEY
from verifier.checks.replays import Source
from verifier.history.model import Operation
from verifier.history.outcome import SAFE
from verifier.http.message import header


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a version at a place, from `known`: of pointers with relations to writes the sources, the
    latest first; the pointers that repeat what was read before; and the constants.
    """

    known: Relations
    written: tuple[tuple[str, list[Source]], ...]
    repeats: frozenset[str]
    constants: tuple[tuple[str, set[frozenset[str]]], ...]


class Expectations:
    """Expectations by place and version, made when they are first asked for."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._known: dict[tuple[Place, str], Expected | None] = {}
        self._before: dict[tuple[str, str], Operation] = {}  # read-backs in which nothing was found

    def of(self, reading: Reading) -> Expected | None:
        key = (reading.place, reading.operation.version)
        if key not in self._known:
            self._known[key] = self._expectation(reading)
        return self._known[key]

    def _expectation(self, reading: Reading) -> Expected | None:
        known = self._learned.of(reading)
        if known is None:
            return None
        place = reading.place
        written = ((pointer, known.kept(pointer)) for pointer in known.held)
        pointers = {pointer for relations in self._learned.by_place.get(place, ()) for pointer in relations.shown}
        constants = ((pointer, self._learned.constant(place, pointer)) for pointer in pointers - {PAGE})
        return Expected(
            known,
            tuple((pointer, sources) for pointer, sources in written if sources),
            frozenset(pointer for pointer in known.compared if known.repeats(pointer)),
            tuple((pointer, usual) for pointer, usual in constants if usual),
        )

    def met(self, reading: Reading, expected: Expected) -> bool:
        """Whether a response shows nothing but what is expected. It spares most readings more."""
        values, lasting, settled = reading.values, reading.replay.lasting, set[str]()
        repeated = reading.place[3] == "write"
        for pointer, kept in expected.written:
            shown = values.get(pointer) or absent(pointer)
            for source in kept:
                options = lasting.get(source)
                if options and not (repeated and not counts(reading, source)):
                    settled.add(pointer)
                    if options[0] <= shown or any(option <= shown for option in options):
                        break
            else:
                if pointer in settled:
                    return False
        if reading.replay.faults:
            return True
        for pointer, usual in expected.constants:
            if pointer not in settled and (values[pointer] not in usual if pointer in values else "*" in pointer):
                return False
        return not expected.repeats - settled or self._repeats_what_was_read(reading, expected.repeats - settled)

    def _repeats_what_was_read(self, reading: Reading, pointers: frozenset[str]) -> bool:
        if self._learned.replays.is_shared(reading.operation):
            return True
        before = read_before(reading)
        if before is None or same_body(before, reading.operation):
            return True
        was = shown_before(reading) or {}
        return all(was[pointer] == reading.values.get(pointer) for pointer in pointers if pointer in was)

    def note(self, reading: Reading) -> None:
        """Nothing was found in a reading: the same read-back need not be looked at again."""
        if reading.place[3] == "read-back":
            self._before[reading.operation.parent, reading.operation.version] = reading.operation

    def repeats(self, operation: Operation) -> bool:
        """Whether a read-back shows what the one before showed through the same version, in which nothing was found."""
        before = self._before.get((operation.parent, operation.version))
        return (
            before is not None
            and same_body(before, operation)
            and (before.session, before.index, before.service, before.request.target)
            == (operation.session, operation.index, operation.service, operation.request.target)
        )


def counts(reading: Reading, source: Source) -> bool:
    """Whether a write has said this for good.

    What a repeated write is answered with is a matter of its key (`repeated_keys.py`), and no reading.
    """
    if source not in reading.replay.lasting:
        return False
    return not _repeats(reading.operation, reading.replay.write(source[0]))


def _repeats(operation: Operation, write: Operation) -> bool:
    """Whether a write is the same one again: with the same key, or without one and with the same body."""
    one, other = operation.request, write.request
    if one.method in SAFE or (one.method, one.target) != (other.method, other.target):
        return False
    keys = header(one.headers, KEY), header(other.headers, KEY)
    return keys[0] == keys[1] if any(keys) else one.body == other.body
