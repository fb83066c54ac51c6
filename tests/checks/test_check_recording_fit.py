"""A recording that does not fit the old version is told, wherever in a session it stops; one that fits passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from tests.checks.history_builder import OLD, PHASES, Answer, HistoryBuilder
from verifier.checks.judge import judge
from verifier.checks.verdict import Judgement
from verifier.history.model import NOT_COMPLETED, Note, Operation
from verifier.plan.model import ExchangeShape, Fault, Plan, Replay, SessionShape

RECORDED = (201, 200, 204)
NAMES = ("POST /things", "GET /things/t1", "DELETE /things/t1")
CONTROLS = ("control-old-1.1", "control-old-2.1")


@dataclass
class Played:
    """Every phase has one undisturbed replay `r1` of a session, answered as given; a replay ends where it stops."""

    recorded: tuple[int, ...] = RECORDED
    polled: frozenset[int] = frozenset()
    builder: HistoryBuilder = field(default_factory=HistoryBuilder)
    extra: dict[str, list[Replay]] = field(default_factory=dict)

    def in_every_phase(self, answers: Sequence[Answer], *, controls: Sequence[Sequence[Answer]] = ()) -> Played:
        """Play the answers in all phases; `controls`: what the controls of all old answer instead, one by one."""
        for number, phase in enumerate(PHASES):
            self.builder.step(phase)
            given = controls[number] if number < len(controls) else answers
            for version in [entry.version for entry in self.builder.steps[-1].state]:
                self.session(given, version)
                self.builder.replay = "r2"
        return self

    def session(self, answers: Sequence[Answer], to: str) -> list[Operation]:
        return [
            self.builder.send(NAMES[index], to, answer, index=index, error="" if answer is not None else "timeout")
            for index, answer in enumerate(answers)
        ]

    @property
    def plan(self) -> Plan:
        """The same exchanges through one version in each replay."""
        plan, paths = self.builder.plan(), []
        for path in plan.paths:
            steps = []
            for step in path.steps:
                routes = [(entry.version,) * len(self.recorded) for entry in step.state]
                replays = [Replay(f"r{number}", "s1", route) for number, route in enumerate(routes, 1)]
                steps.append(replace(step, replays=(*replays, *self.extra.get(step.id, ()))))
            paths.append(replace(path, steps=tuple(steps)))
        exchanges = tuple(
            ExchangeShape(NAMES[index], "orders", index != 1, recorded=status, polled=index in self.polled)
            for index, status in enumerate(self.recorded)
        )
        return replace(plan, paths=tuple(paths), sessions=(SessionShape("s1", exchanges),))

    def judge(self, plan: Plan | None = None) -> Judgement:
        return judge(self.builder.history(), self.builder.registry, plan or self.plan)


def sentence(number: int, total: int, how: str) -> str:
    """With the line that leaves out the last exchange, which nothing later needs, if it got a response."""
    last = number == total and not how.endswith(("never sent", "timeout"))
    hint = f'; exclude: ["{NAMES[number - 1]}"] leaves it out' if last else ""
    return (
        f"session s1 stopped at exchange {number} of {total} in every control: "
        f"the old version does not answer it as recorded ({how}){hint}"
    )


def test_a_session_answered_as_recorded_passes() -> None:
    judgement = Played().in_every_phase(RECORDED).judge()
    assert (judgement.verdict, judgement.unknowns, judgement.violations) == ("pass", (), ())


@pytest.mark.parametrize(
    ("answers", "number", "how"),
    [
        ((201, 200, 404), 3, "DELETE /things/{}: recorded 204, came 404"),
        ((201, 404), 2, "GET /things/{}: recorded 200, came 404"),
        ((404,), 1, "POST /things: recorded 201, came 404"),
        ((), 1, "POST /things: recorded 201, never sent"),
        ((201, 200), 3, "DELETE /things/t1: recorded 204, never sent"),
    ],
)
def test_what_no_control_answers_as_recorded_is_unknown(answers: tuple[int, ...], number: int, how: str) -> None:
    """The last exchange as well as one in the middle, and a replay that was cut off. All versions answer alike."""
    judgement = Played().in_every_phase(answers).judge()
    reported = tuple(item for item in judgement.unknowns if "served nothing" not in item)
    assert (judgement.verdict, reported, judgement.violations) == ("unknown", (sentence(number, 3, how),), ())


@pytest.mark.parametrize("kind", ["computed", "credentials"])
def test_what_the_matrix_may_have_to_say_is_told_with_it(kind: str) -> None:
    played = Played().in_every_phase((201, 401))
    for operation in played.builder.operations:
        if operation.index == 1:
            played.builder.notes.append(Note(operation.step, kind, f"looks {kind}", operation.id))
    played.builder.notes.append(Note("", "unmatched", "something else", played.builder.operations[0].id))
    (why,) = [item for item in played.judge().unknowns if "served nothing" not in item]
    assert why == sentence(2, 3, "GET /things/{}: recorded 200, came 401") + f"; the request looks {kind}"


def test_a_step_in_which_the_run_was_stopped_tells_nothing() -> None:
    played = Played()
    for error in (f"{NOT_COMPLETED}CancelledError", ""):
        played.builder.step("control-old", error=error)
        played.session((), OLD)
    (fits,) = [item for item in played.judge().unknowns if "stopped at exchange" in item]
    assert fits == sentence(1, 3, "POST /things: recorded 201, never sent")
    played.builder.steps.pop()
    assert not [item for item in played.judge().unknowns if "stopped at exchange" in item]


@pytest.mark.parametrize(("answer", "reported"), [(200, False), (204, False), (302, True), (404, True), (None, True)])
def test_the_only_exchange_of_a_session(answer: int | None, reported: bool) -> None:
    """Without an answer `available` has its say too; that is the old version's own and no failure."""
    judgement = Played((201,)).in_every_phase((answer,)).judge()
    came = answer or "timeout"
    wanted = (sentence(1, 1, f"POST /things: recorded 201, came {came}"),) if reported else ()
    assert tuple(item for item in judgement.unknowns if "served nothing" not in item) == wanted
    assert judgement.verdict == ("unknown" if reported else "pass")


def test_an_answer_that_was_recorded_as_an_error_is_as_recorded() -> None:
    assert Played((201, 200, 404)).in_every_phase((201, 200, 410)).judge().verdict == "pass"


def test_what_was_recorded_as_an_error_and_succeeds_is_told() -> None:
    judgement = Played((201, 200, 404)).in_every_phase((201, 200, 200)).judge()
    assert sentence(3, 3, "DELETE /things/{}: recorded 404, came 200") in judgement.unknowns


@pytest.mark.parametrize("fitting", [0, 1])
def test_one_control_that_fits_is_enough(fitting: int) -> None:
    controls: list[Sequence[Answer]] = [(201, 200, 404), (201, 200, 404)]
    controls[fitting] = RECORDED
    assert Played().in_every_phase(RECORDED, controls=controls).judge().unknowns == ()


def test_the_control_that_came_furthest_is_told() -> None:
    judgement = Played().in_every_phase(RECORDED, controls=((201, 404), (201, 200, 404))).judge()
    assert judgement.unknowns == (sentence(3, 3, "DELETE /things/{}: recorded 204, came 404"),)


def test_only_the_old_version_has_to_fit() -> None:
    """What the new one or a mixture answers otherwise is what the checks are for."""
    played = Played().in_every_phase((201, 200, 404), controls=(RECORDED, RECORDED))
    assert [item for item in played.judge().unknowns if item.startswith("session")] == []


@pytest.mark.parametrize("fits", [True, False])
def test_disturbed_replays_neither_spoil_nor_save(fits: bool) -> None:
    """A last exchange that a fault disturbed says nothing of the recording, whatever it was answered with."""
    plain, disturbed = ((201, 200, 204), 404) if fits else ((201, 200, 404), 204)
    played = Played()
    for number, phase in enumerate(PHASES):
        step, builder = played.builder.step(phase), played.builder
        for version in [entry.version for entry in builder.steps[-1].state]:
            played.session(plain if number < 2 else RECORDED, version)
            builder.replay = "r2"
        if number < 2:
            builder.replay = "r9"
            fault = Fault("lost-answer", 2, NAMES[2], OLD, OLD)
            played.extra[step] = [Replay("r9", "s1", (OLD,) * 3, fault)]
            *_, cut = played.session((201, 200, 204), OLD)
            builder.send(NAMES[2], OLD, disturbed, retry=cut, fault="lost-answer")
    reported = [item for item in played.judge().unknowns if item.startswith("session")]
    assert reported == ([] if fits else [sentence(3, 3, "DELETE /things/{}: recorded 204, came 404")])


@pytest.mark.parametrize(("last", "fits"), [(204, True), (503, False)])
def test_a_client_that_was_asked_to_come_back_goes_on_with_its_last_attempt(last: int, fits: bool) -> None:
    played = Played()
    for number, phase in enumerate(PHASES):
        played.builder.step(phase)
        for version in [entry.version for entry in played.builder.steps[-1].state]:
            *_, busy = played.session((201, 200, 503), version)
            played.builder.send(NAMES[2], version, last if number < 2 else 204, retry=busy)
            played.builder.replay = "r2"
    reported = [item for item in played.judge().unknowns if item.startswith("session")]
    assert reported == ([] if fits else [sentence(3, 3, "DELETE /things/{}: recorded 204, came 503")])


@pytest.mark.parametrize(
    ("recorded", "polls", "fits"),
    [
        (200, (404, 200), True),
        (200, (404, 404), False),
        (404, (200, 404), True),
        (200, (404, 200, None), False),  # where nothing answers the last poll, the client has the first answer
    ],
)
def test_a_polled_read_is_what_its_last_poll_was_answered(
    recorded: int, polls: tuple[int | None, ...], fits: bool
) -> None:
    first = 200 if recorded == 404 else 404
    reported = [item for item in _polled(recorded, first, polls, polled=True).judge().unknowns if item[:7] == "session"]
    assert reported == ([] if fits else [sentence(2, 2, f"GET /things/{{}}: recorded {recorded}, came 404")])


def _polled(recorded: int, first: int, polls: Sequence[int | None], *, polled: bool) -> Played:
    played = Played((201, recorded), frozenset({1} if polled else ()))
    for phase in PHASES:
        played.builder.step(phase)
        for version in [entry.version for entry in played.builder.steps[-1].state]:
            *_, read = played.session((201, first), version)
            for answer in polls:
                error = "" if answer is not None else "timeout"
                played.builder.send(NAMES[1], version, answer, of=read, source="poll", error=error)
            played.builder.replay = "r2"
    return played


@pytest.mark.parametrize("polls", [(200,), (404, 404), (500,)])
def test_the_polls_of_accepted_work_do_not_stand_for_its_answer(polls: tuple[int, ...]) -> None:
    """What accepted work is polled with is no recorded exchange: neither its errors nor its successes count."""
    fits = _polled(202, 202, polls, polled=False).judge()
    assert [item for item in fits.unknowns if item.startswith("session")] == []
    misfits = _polled(202, 404, polls, polled=False).judge()
    assert sentence(2, 2, "GET /things/{}: recorded 202, came 404") in misfits.unknowns


@pytest.mark.parametrize(("answers", "reported"), [(RECORDED, 0), ((201, 200, 404), 0), ((201, 404), 2), ((404,), 1)])
def test_a_stored_plan_that_tells_no_sessions_is_read_and_judged_by_how_far_they_came(
    answers: tuple[int, ...], reported: int
) -> None:
    played = Played().in_every_phase(RECORDED, controls=(answers, answers))
    stored: dict[str, Any] = msgspec.to_builtins(played.plan)
    assert stored.pop("sessions")
    plan = msgspec.json.decode(msgspec.json.encode(stored), type=Plan)
    assert plan == replace(played.plan, sessions=())
    found = [item for item in played.judge(plan).unknowns if item.startswith("session")]
    assert [item.partition(":")[0] for item in found] == (
        [f"session s1 stopped at exchange {reported} of 3 in every control"] if reported else []
    )


def test_every_session_that_does_not_fit_is_told() -> None:
    played = Played().in_every_phase(RECORDED)
    plan = played.plan
    other = replace(plan.sessions[0], id="s2")
    steps = tuple(
        replace(path, steps=tuple(
            replace(step, replays=(*step.replays, Replay("r7", "s2", (OLD,) * 3))) if step.id in CONTROLS else step
            for step in path.steps
        ))
        for path in plan.paths
    )  # fmt: skip
    for step in played.builder.steps[:2]:
        own = [entry for entry in played.builder.operations if entry.step == step.id and entry.replay == "r1"]
        for entry in own[:1]:
            failed = msgspec.structs.replace(entry, id=f"{entry.id}-2", replay="r7", session="s2",
                                             response=msgspec.structs.replace(entry.response, status=409))  # fmt: skip
            played.builder.operations.append(failed)
    found = played.judge(replace(plan, paths=steps, sessions=(*plan.sessions, other))).unknowns
    assert found == (sentence(1, 3, "POST /things: recorded 201, came 409").replace("s1", "s2"),)


LEFT_OUT = (
    "an exchange of 1 session was left out, because the old version does not answer it as recorded "
    '(GET /things/{}: recorded 200, came 404); exclude: ["GET /things/t1"] leaves it out of the recording'
)


@pytest.mark.parametrize(
    ("controls", "wanted"),
    [
        ((), (LEFT_OUT,)),
        (((201, 404, 204), RECORDED), ()),
        (((201, 404, 404), (201, 404, 404)), (sentence(3, 3, "DELETE /things/{}: recorded 204, came 404"), LEFT_OUT)),
    ],
)
def test_an_exchange_after_which_the_session_went_on_was_left_out(
    controls: Sequence[Sequence[Answer]], wanted: tuple[str, ...]
) -> None:
    judgement = Played().in_every_phase((201, 404, 204), controls=controls).judge()
    reported = tuple(item for item in judgement.unknowns if "recorded" in item)
    assert reported == wanted


def test_one_exchange_of_several_sessions_is_told_once() -> None:
    played = Played().in_every_phase((201, 404, 204))
    plan = played.plan
    paths = tuple(
        replace(path, steps=tuple(
            replace(step, replays=(*step.replays, Replay("r7", "s2", (OLD,) * 3))) if step.id in CONTROLS else step
            for step in path.steps
        ))
        for path in plan.paths
    )  # fmt: skip
    played.builder.operations += [
        msgspec.structs.replace(entry, id=f"{entry.id}-2", replay="r7", session="s2")
        for entry in played.builder.operations
        if entry.step in CONTROLS and entry.replay == "r1"
    ]
    sessions = (*plan.sessions, replace(plan.sessions[0], id="s2"))
    found = played.judge(replace(plan, paths=paths, sessions=sessions)).unknowns
    assert [item for item in found if "recorded" in item] == [LEFT_OUT.replace("1 session", "2 sessions")]
