"""Long bodies are kept once, by content, and read back as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.history.test_history_store import RUN, folder, write
from verifier.errors import BadInput
from verifier.history.bodies import LONG, MARK, NAME, BodyReader, KeptBody
from verifier.history.model import Operation
from verifier.history.store import HistoryWriter, Record, read, records
from verifier.http.message import Request, Response
from verifier.replay.credentials import Credentials


def operation(number: int, received: bytes, sent: bytes = b"") -> Operation:
    request, response = Request("POST", "/x", (), sent), Response(200, (), received)
    return Operation(f"s/r/{number}.1", "s", "r", "e", number, 1, "replay", "n", "a", "1", "a-1", request, response,
                     "ok", 0, 1)  # fmt: skip


def growing(count: int) -> list[Record]:
    """Reads of a list that has one entry more each time."""
    entries = [{"id": f"order-{number:06}", "state": "open", "note": "x" * 40} for number in range(count)]
    return [operation(number, json.dumps(entries[:number]).encode()) for number in range(count)]


def size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def test_a_growing_list_takes_the_room_of_its_entries_and_not_of_its_reads(tmp_path: Path) -> None:
    kept = growing(400)
    write(tmp_path, kept)
    whole = sum(len(entry.response.body) for entry in kept if isinstance(entry, Operation) and entry.response)
    assert size(tmp_path) < whole / 20
    assert read(tmp_path).operations == tuple(kept)


def test_equal_bodies_are_written_once_and_read_as_one_object(tmp_path: Path) -> None:
    body = os.urandom(3 * LONG)
    write(tmp_path, [operation(number, bytes(body), bytes(bytearray(body))) for number in range(50)])
    assert size(tmp_path) < 50 * LONG
    found = read(tmp_path).operations
    assert {entry.response.body for entry in found if entry.response} == {body}
    assert len({id(entry.response.body) for entry in found if entry.response} | {id(found[0].request.body)}) == 1


BASES = [bytes([letter]) * (LONG + 50) for letter in b"abc"]
BODIES = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda start: MARK + start, st.binary(max_size=40)),
    st.builds(
        lambda base, at, cut, put: base[:at] + put + base[at + cut :],
        st.sampled_from(BASES),
        st.integers(0, LONG + 50),
        st.integers(0, 30),
        st.binary(max_size=60),
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(BODIES, BODIES), max_size=14))
def test_any_bodies_read_back_equal(bodies: list[tuple[bytes, bytes]]) -> None:
    with folder() as directory:
        kept: list[Record] = [operation(number, *pair) for number, pair in enumerate(bodies)]
        write(directory, kept)
        assert read(directory).operations == tuple(kept)


def test_a_history_of_before_has_its_bodies_in_its_lines(tmp_path: Path) -> None:
    """A stored run of an earlier verifier: no file of bodies, long bodies in the lines."""
    write(tmp_path, [])
    kept = operation(1, b"y" * 5 * LONG)
    line = {
        **{name: getattr(kept, name) for name in ("id", "step", "replay", "session", "index", "attempt", "source")},
        **{name: getattr(kept, name) for name in ("name", "service", "version", "replica", "outcome")},
        "request": {"method": "POST", "target": "/x", "headers": [], "body": ""},
        "response": {"status": 200, "headers": [], "body": "eXl5" * (5 * LONG // 3) + "eQ=="},
        "started": 0, "ended": 1,
    }  # fmt: skip
    (tmp_path / "history" / "operations.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "history" / NAME).unlink()
    assert read(tmp_path).operations == (kept,)


KILLED = """
import sys, os, pathlib
from tests.history.test_history_bodies import RUN, growing
from verifier.history.store import HistoryWriter
writer = HistoryWriter(pathlib.Path(sys.argv[1]), RUN)
for record in growing(300):
    writer.add(record)
os.kill(os.getpid(), 9)
"""


def test_the_history_of_a_killed_run_is_readable(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=120).returncode == -9
    found = read(tmp_path).operations
    assert len(found) >= 200
    assert found == tuple(growing(300)[: len(found)])


@pytest.mark.parametrize("line", [b"", b"{}", b"garbage", b'{"digest":"00","body":"","base":"11"}'])
def test_a_damaged_file_of_bodies_is_bad_input(tmp_path: Path, line: bytes) -> None:
    write(tmp_path, [operation(1, b"z" * LONG * 2)])
    file = tmp_path / "history" / NAME
    file.write_bytes(line + b"\n")
    with pytest.raises(BadInput) as caught:
        read(tmp_path)
    assert caught.value.problems[0].file == str(file)
    file.unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        read(tmp_path)


def test_lines_made_elsewhere_refer_to_the_same_bodies(tmp_path: Path) -> None:
    body = b"q" * (LONG + 1)
    writer = HistoryWriter(tmp_path, RUN)
    writer.add(operation(1, body))
    assert writer.lines.body(b"short") == "c2hvcnQ="
    reference = writer.lines.body(body)
    assert len(reference) < 60
    writer.close()
    (line,) = (tmp_path / "history" / "operations.jsonl").read_text().splitlines()
    assert reference in line
    assert BodyReader(tmp_path).restore(next(records(tmp_path, Operation))) == operation(1, body)


def test_a_masked_body_is_kept_masked(tmp_path: Path) -> None:
    secret = "hunter2-of-anna"
    made = operation(1, b"a" * LONG + secret.encode() + b"b" * LONG, b'{"password": "%b"}' % secret.encode())
    masked = Credentials({"redacted-1": secret}).mask(made)
    write(tmp_path, [masked])
    assert read(tmp_path).operations == (masked,)
    kept = msgspec.json.decode((tmp_path / "history" / NAME).read_bytes(), type=KeptBody)
    assert secret.encode() not in kept.body and b"redacted-1" in kept.body
