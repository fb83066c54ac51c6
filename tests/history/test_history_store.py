"""Histories on disk: every record reads back equal, a last line cut off is left out, garbage is bad input."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from verifier.errors import BadInput
from verifier.history import model, outcome
from verifier.history.bodies import BodyReader, kept_apart
from verifier.history.model import (
    End,
    FaultInjected,
    History,
    Note,
    Operation,
    ReplicaEvent,
    RunInfo,
    ServiceInfo,
    Step,
    StoreRows,
)
from verifier.history.store import (
    FILES,
    LARGE,
    SCHEMA,
    HistoryWriter,
    Lines,
    Record,
    read,
    read_value,
    records,
    write_value,
)
from verifier.http import message
from verifier.http.message import Request, Response

# JSON has no surrogates and no infinite numbers; everything else must come back.
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
TIME = st.floats(min_value=0, max_value=1e9, allow_nan=False)
KINDS = (Operation, Step, ReplicaEvent, FaultInjected, Note, End, StoreRows)


def is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Struct)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a record's type: what hypothesis would derive, but with text and numbers that JSON can hold."""
    origin, inside = get_origin(hint), get_args(hint)
    if is_struct(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{field.name: values(hints[field.name]) for field in structs.fields(hint)})
    if origin is Literal:
        return st.sampled_from(inside)
    if origin is tuple and inside[-1] is Ellipsis:
        return st.lists(values(inside[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inside))
    if origin in (Union, UnionType):
        return st.one_of(*map(values, inside))
    simple = {
        str: TEXT,
        bool: st.booleans(),
        float: TIME,
        int: st.integers(-(2**53), 2**53),
        bytes: st.binary(max_size=30),
    }
    return st.none() if hint is type(None) else simple[hint]


RECORDS = st.one_of(*map(values, KINDS))
RUN = RunInfo(SCHEMA, "0", "m", 0, "process", (ServiceInfo("a", ("1", "2"), "1", "2"),), ("psp",), (("a", "1"),))
usual = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp())
    try:
        yield found
    finally:
        shutil.rmtree(found)


def write(directory: Path, kept: list[Record], run: RunInfo = RUN) -> None:
    writer = HistoryWriter(directory, run)
    for record in kept:
        writer.add(record)
    writer.close()


@usual
@given(st.lists(RECORDS, max_size=12), values(RunInfo))
def test_a_history_reads_back_equal(kept: list[Record], run: RunInfo) -> None:
    run = structs.replace(run, schema=SCHEMA)
    with folder() as directory:
        write(directory, kept, run)
        wanted = {kind: tuple(record for record in kept if type(record) is kind) for kind in KINDS}
        assert read(directory) == History(run, *(wanted[kind] for kind in KINDS))


@usual
@given(st.binary(max_size=80), st.lists(st.tuples(TEXT, TEXT), max_size=3))
def test_bodies_are_kept_byte_for_byte(body: bytes, headers: list[tuple[str, str]]) -> None:
    request, response = Request("POST", "/x", tuple(headers), body), Response(200, tuple(headers), body)
    with folder() as directory:
        operation = Operation("i", "s", "r", "e", 0, 1, "replay", "n", "a", "1", "a-1", request, response, "ok", 0, 1)
        write(directory, [operation])
        found = BodyReader(directory).restore(next(records(directory, Operation)))
        assert (found.request.body, found.response) == (body, response)


def test_a_lone_surrogate_in_an_answer_does_not_end_the_run(tmp_path: Path) -> None:
    """A service may answer {"id": "\\ud800"}: JSON to its reader, but no text that a file can hold."""
    request = Request("GET", "/x", (), b"{}")
    produced = (("$response.body#/id", "a\ud800b"), ("$response.body#/name", "\U0001f600"))
    made = Operation("i", "s", "r", "e", 0, 1, "replay", "n", "a", "1", "a-1", request, None, "ok", 0, 1,
                     produced=produced)  # fmt: skip
    write(tmp_path, [made, Note("s", "unmatched", "\udfff")])
    found = next(records(tmp_path, Operation))
    assert found.produced == (("$response.body#/id", "a\ufffdb"), ("$response.body#/name", "\U0001f600"))
    assert found.request == request
    assert [note.message for note in records(tmp_path, Note)] == ["\ufffd"]


def test_every_kind_of_record_has_a_file_and_a_test() -> None:
    assert set(get_args(Record)) == set(FILES) == set(KINDS)
    hints = get_type_hints(History)
    assert {get_args(hint)[0] for name, hint in hints.items() if name != "run"} == set(KINDS)


@usual
@given(st.lists(values(Note), min_size=1, max_size=4), st.data())
def test_a_last_line_that_was_cut_off_is_left_out(kept: list[Note], data: st.DataObject) -> None:
    with folder() as directory:
        write(directory, list(kept))
        file = directory / "history" / FILES[Note]
        whole = file.read_bytes()
        last = len(whole) - whole[:-1].rfind(b"\n") - 1
        file.write_bytes(whole[: len(whole) - data.draw(st.integers(1, last))])
        assert list(records(directory, Note)) == kept[:-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "line", [b"", b"{}", b"null", b"[]", b"{", b"\xff\xfe", b'{"step": 1}', b'{"step": "s", "kind": 3}', b"garbage"]
)
def test_garbage_is_bad_input_with_file_and_line(tmp_path: Path, kind: type[Operation], line: bytes) -> None:
    good: list[Record] = [Note("s", "count", "m"), Note("s", "count", "m")]
    write(tmp_path, good)
    file = tmp_path / "history" / FILES[kind]
    before = file.read_bytes()
    file.write_bytes(before + line + b"\n" + before)
    with pytest.raises(BadInput) as caught:
        read(tmp_path)
    problem = caught.value.problems[0]
    assert (problem.file, problem.line) == (str(file), before.count(b"\n") + 1)


def test_a_history_of_an_earlier_schema_has_no_ends(tmp_path: Path) -> None:
    write(tmp_path, [], structs.replace(RUN, schema=1))
    (tmp_path / "history" / FILES[End]).unlink()
    assert read(tmp_path).ends == ()


@pytest.mark.parametrize("name", [*FILES.values(), "run.json"])
def test_a_missing_file_is_bad_input(tmp_path: Path, name: str) -> None:
    write(tmp_path, [])
    (tmp_path / "history" / name).unlink()
    with pytest.raises(BadInput, match="cannot be read") as caught:
        read(tmp_path)
    assert caught.value.problems[0].file.endswith(name)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"schema": "one"}', b"\xff"])
def test_a_damaged_run_is_bad_input(tmp_path: Path, text: bytes) -> None:
    write(tmp_path, [])
    (tmp_path / "history" / "run.json").write_bytes(text)
    with pytest.raises(BadInput, match="damaged"):
        read(tmp_path)


def test_records_of_before_have_the_defaults_of_today(tmp_path: Path) -> None:
    """A field that was added with a default is not missing in what was written before."""
    write(tmp_path, [Note("s", "count", "m", "o")])
    file = tmp_path / "history" / FILES[Note]
    file.write_bytes(b'{"step":"s","kind":"count","message":"m"}\n')
    assert list(records(tmp_path, Note)) == [Note("s", "count", "m", "")]


def test_what_was_flushed_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, RUN)
    writer.add(Note("s", "count", "one"))
    writer.flush()
    assert [note.message for note in read(tmp_path).notes] == ["one"]
    writer.add(Note("s", "count", "two"))
    writer.close()
    assert [note.message for note in read(tmp_path).notes] == ["one", "two"]


def test_a_value_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "value.json"
    write_value(file, RUN)
    assert read_value(file, RunInfo) == RUN
    with pytest.raises(TypeError):
        write_value(file, object())
    assert read_value(file, RunInfo) == RUN
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


REFUSED, LATE = "refused", "timeout"


@pytest.mark.parametrize(
    ("method", "status", "error", "sent", "expected"),
    [
        ("POST", 200, "", True, "ok"),
        ("POST", 201, "", True, "ok"),
        ("POST", 202, "", True, "accepted"),
        ("GET", 202, "", True, "ok"),
        ("GET", 304, "", True, "ok"),
        ("POST", 404, "", True, "fail"),
        ("POST", 500, "", True, "info"),
        ("DELETE", 503, "", True, "info"),
        ("GET", 500, "", True, "fail"),
        ("POST", None, REFUSED, False, "fail"),
        ("POST", None, REFUSED, True, "fail"),
        ("POST", None, LATE, True, "info"),
        ("POST", None, "reset", True, "info"),
        ("POST", None, LATE, False, "fail"),
    ],
)
def test_what_a_sender_may_conclude(method: str, status: int | None, error: str, sent: bool, expected: str) -> None:
    response = None if status is None else Response(status)
    assert outcome.outcome_of(method, response, error, sent) == expected


def test_headers_are_found_by_any_case() -> None:
    headers = (("Content-Type", "a"), ("content-type", "b"), ("X", "c"))
    assert message.header(headers, "CONTENT-TYPE") == "a"
    assert message.header(headers, "none") is None
    assert message.with_header(headers, "CONTENT-type", "z") == (("X", "c"), ("CONTENT-type", "z"))


@pytest.mark.parametrize(("target", "path"), [
    ("/a/b?c=1", "/a/b"), ("/", "/"), ("?x", "/"), ("/a%20b#f", "/a%20b"), ("//[a?b#c", "//[a"), ("//[::1]/a?b", "/a"),
])  # fmt: skip
def test_the_path_of_a_request(target: str, path: str) -> None:
    assert Request("GET", target).path == path


@usual
@given(st.text(alphabet="/?#:;@[]%ab.\t\n \u00e9\ud800", max_size=9).map(lambda text: "/" + text) | st.text(max_size=9))
def test_the_path_of_any_target_is_what_splitting_it_gives(target: str) -> None:
    try:
        path = urlsplit(target).path or "/"
    except ValueError:
        return
    assert Request("GET", target).path == path


@usual
@given(st.lists(values(Operation), min_size=1, max_size=6), st.data())
def test_lines_with_every_field_read_back_as_those_without_defaults(kept: list[Operation], data: st.DataObject) -> None:
    with folder() as directory:
        write(directory, list(kept))
        file = directory / "history" / FILES[Operation]
        lines = file.read_bytes().splitlines()
        assert len(lines) == len(kept)
        at = data.draw(st.integers(0, len(kept) - 1))
        bodies = [kept[at].request.body, *([kept[at].response.body] if kept[at].response else [])]
        assume(not any(map(kept_apart, bodies)))  # such a line has references, as other tests show
        full = {name: getattr(kept[at], name) for name in Operation.__struct_fields__}
        for name in ("request", "response"):
            value = full[name]
            full[name] = value and {field: getattr(value, field) for field in value.__struct_fields__}
        lines[at] = msgspec.json.encode(full)
        file.write_bytes(b"\n".join(lines) + b"\n")
        assert list(map(BodyReader(directory).restore, records(directory, Operation))) == kept


def test_a_block_is_written_when_it_is_full_and_a_surrogate_in_it_spoils_nothing(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, RUN)
    file = tmp_path / "history" / FILES[Note]
    kept = [Note("s", "count", f"{number}" * 50 + ("\ud800" if number % 100 == 7 else "")) for number in range(2000)]
    for note in kept:
        writer.add(note)
    written = file.read_bytes()
    assert written.endswith(b"\n")
    writer.close()
    assert file.read_bytes().startswith(written)
    assert [note.message for note in records(tmp_path, Note)] == [
        note.message.replace("\ud800", "\ufffd") for note in kept
    ]


def test_a_step_is_on_disk_after_everything_that_was_recorded_before_it(tmp_path: Path) -> None:
    """A kill may leave more than the step, but no step without its records."""
    order: list[type] = []

    class Watched(Lines):
        kind: type

        def relieve(self) -> None:
            if self:
                order.append(self.kind)
            super().relieve()

    writer = HistoryWriter(tmp_path, RUN)
    for kind, file in writer._files.items():
        writer._waiting[kind] = Watched(file)
        writer._waiting[kind].kind = kind  # type: ignore[attr-defined]
    event = ReplicaEvent("s1", "a-1", "a", "1", "ready", 0.5)
    writer.add(event)
    writer.add(Note("s1", "not-run", "n"))
    assert read(tmp_path).replicas == ()
    step = Step("s1", "p", "forward", "replace", "d" * LARGE, (), (), 0, 1)
    writer.add(step)
    assert order == [ReplicaEvent, Note, Step]
    found = read(tmp_path)
    assert (found.replicas, found.steps) == ((event,), (step,))
    writer.close()


def test_a_run_is_unfinished_until_it_is_finished(tmp_path: Path) -> None:
    run = structs.replace(RUN, unfinished=True)
    writer = HistoryWriter(tmp_path, run)
    writer.add(Note("s", "count", "1"))
    assert read(tmp_path) == History(run, (), (), (), (), ())
    writer.finish()
    assert read(tmp_path) == History(RUN, (), (), (), (), (Note("s", "count", "1"),))
    writer.close()
    write(tmp_path, [], run)
    assert read(tmp_path).run.unfinished, "closed without having come to its end"


def test_phases_and_outcomes_are_closed() -> None:
    assert set(get_args(model.Phase)) == {"control-old", "control-new", "control-upgrade", "forward", "rollback"}
    assert set(get_args(model.Outcome)) == {"ok", "accepted", "fail", "info"}
