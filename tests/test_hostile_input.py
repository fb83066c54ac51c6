"""Input made to break its reader ends with status 2 and one message for each mistake: no traceback, hang or flood."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_matrix import ENTRIES, MATRIX, recording, write
from tests.in_process import Told, call

DIGITS = "9" * 6000
HEX = "0x" + "f" * 6000
LONG = "n" * 300
CONTRACT = """\
openapi: 3.1.0
info: {title: words, version: "1"}
paths:
  /words/{name}:
    get:
      operationId: read
      parameters: [{name: name, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: word, content: {application/json: {schema: SCHEMA}}}}
"""


def refused(told: Told, *messages: str) -> None:
    assert told.status == 2, told.err[-3000:]
    assert told.out == ""
    assert "Traceback" not in told.err
    for message in messages:
        assert message in told.err
    assert len(told.err) < 20_000
    control = [letter for letter in told.err if letter != "\n" and not letter.isprintable()]
    assert not control, "a message shows control characters escaped"


def matrix(old: str, new: str) -> str:
    assert old in MATRIX
    return MATRIX.replace(old, new)


def with_contract(folder: Path, text: str | bytes, name: str = "words.contract.yaml") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return write(folder, matrix("    stop:", f"    contract: {name}\n    stop:"))


def with_schema(folder: Path, schema: str) -> Path:
    return with_contract(folder, CONTRACT.replace("SCHEMA", schema))


# ---- matrices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (matrix("port: 8000", f"port: {DIGITS}"), "words.yaml:4: services.words.port: "),
        (matrix("port: 8000", f"port: {HEX}"), "words.yaml:4: services.words.port: "),
        (matrix("matrix: words", f"matrix: {HEX}"), "words.yaml:1: matrix: "),
        (matrix("matrix: words", f"matrix: {DIGITS}"), "words.yaml:1: matrix: "),
        (matrix("budget: 5s", f"budget: {HEX}"), "words.yaml:15: budget: is too large a number"),
        (matrix("budget: 5s", "budget: 1e308h"), "words.yaml:15: budget: must be a duration"),
        (matrix("budget: 5s", "budget: 1e300s"), "words.yaml:15: budget: must be a duration"),
        (matrix("budget: 5s", "budget: .nan"), "words.yaml:15: budget: must be a duration"),
        (matrix("within: 20s", "within: 0s"), "words.yaml:5: services.words.ready.within: must be more than 0"),
        (matrix("within: 20s", "within: 0"), "words.yaml:5: services.words.ready.within: must be more than 0"),
        (matrix("words.har", r'"words\0.har"'), "words.yaml:13: traffic[0].recording: must not contain a NUL"),
        (matrix("words.har", r'"words\uD800.har"'), "words.yaml:13: traffic: is not valid YAML: found invalid Unicode"),
        (matrix("words.har", LONG), "words.yaml:13: traffic[0].recording: there is no file"),
        (matrix("words.har", "loop"), "words.yaml:13: traffic[0].recording: there is no file"),
        (matrix("words.har", "pipe"), ": not a regular file"),
        (matrix("words.har", "/dev/zero"), ": not a regular file"),
        (matrix("words.har", "."), ": not a regular file"),
        (matrix("DIRECTORY", r'"\0"'), "words.yaml:6: services.words.directory: must not contain a NUL"),
        (matrix("DIRECTORY", LONG), "words.yaml:6: services.words.directory: there is no folder"),
        (matrix("DIRECTORY", "loop"), "words.yaml:6: services.words.directory: there is no folder"),
        (matrix("    stop:", f"    build: {LONG}\n    stop:"), "services.words.build: there is no build context"),
        (matrix("    stop:", '    build: "\\0"\n    stop:'), "services.words.build: must not contain a NUL"),
        (matrix("    stop:", "    env_file: pipe\n    stop:"), "services.words.env_file: there is no file"),
        (matrix("    stop:", "    contract: pipe\n    stop:"), "services.words.contract: there is no file"),
        (matrix("rollout:", "stores: {db: {image: postgres, seed: pipe}}\nrollout:"), "db.seed: there is no file"),
        (matrix("rollout:", 'stores: {db: {process: file, content: "\\0"}}\nrollout:'), "content: must not"),
        (matrix("rollout:", f"stores: {{db: {{process: file, content: {LONG}}}}}\nrollout:"), "there is no"),
        (matrix('"2":', '"":'), "words.yaml:10: services.words.versions.: the name of a version must be text"),
        (matrix("words:\n    port", '"\\e]0;owned\\a":\n    port'), r"words.yaml:3: services.\x1b]0;owned\x07"),
        (matrix("budget: 5s", '"\\e[2J\\u202e": 1'), r"words.yaml:15: \x1b[2J\u202e: unknown key '\x1b[2J\u202e'"),
        (matrix("budget: 5s", '"a\\nb": 1'), r"words.yaml:15: a\x0ab: unknown key"),
        (matrix("budget: 5s", '"\\uD800": 1'), "words.yaml:15: faults: is not valid YAML: found invalid Unicode"),
        (matrix("budget: 5s", f"? {'k' * 100_000}\n: 1"), "words.yaml:15: kkk"),
        (matrix("budget: 5s", f"budget: {'x' * 1_000_000}"), "words.yaml:15: budget: must be a duration"),
        (matrix("faults: none", f"faults: [{'x' * 1_000_000}]"), "words.yaml:14: faults[0]: must be one of"),
        (matrix("budget: 5s", "budget: !!timestamp 99999"), "words.yaml:15: budget: is not valid YAML"),
        (matrix("budget: 5s", "budget: !!python/object:os.system {}"), "words.yaml:15"),
        (matrix("budget: 5s", "budget: 2026-01-01"), "words.yaml:15: budget: must be a duration"),
        (matrix("budget: 5s", "budget: &a [*a]"), "words.yaml:15: budget[0]: an alias that contains itself"),
        (matrix("budget: 5s", "budget: *nothing"), "words.yaml:15: budget: is not valid YAML"),
        (matrix("budget: 5s", "budget: \x07"), r"words.yaml:15: is not valid YAML"),
        (matrix("budget: 5s", f"budget: {'[' * 3000}"), "words.yaml:"),
        (matrix("budget: 5s", f"budget: {'[' * 3000}{']' * 3000}"), "nested too deeply"),
        (matrix("budget: 5s", f"budget: {'[' * 900}{']' * 900}"), "nested too deeply"),
    ],
)  # fmt: skip
def test_matrices(text: str, message: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    refused(call("plan", write(tmp_path, text)), message)


@pytest.mark.parametrize("within", ["1e308h", HEX, "-1s"])
def test_a_budget_of_the_command_line(within: str, tmp_path: Path) -> None:
    refused(call("plan", write(tmp_path), "--budget", within), "--budget: must be a duration")


def test_wrong_bytes_have_a_line_and_a_key(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"faults: none", b"faults: \xff"))
    refused(call("plan", file), "words.yaml:14: faults: is not UTF-8 text: byte 0xff")


def aliases(kind: str) -> str:
    """A document of 30 lines that stands for 10^30 values."""
    lines = ["a0: &a0 {b: 1}"]
    for number in range(1, 31):
        many = [f"*a{number - 1}"] * 10
        inner = ", ".join(many) if kind == "list" else ", ".join(f"k{i}: {item}" for i, item in enumerate(many))
        lines.append(f"a{number}: &a{number} " + (f"[{inner}]" if kind == "list" else f"{{{inner}}}"))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", ["list", "mapping"])
def test_alias_bombs(kind: str, tmp_path: Path) -> None:
    message = "stands for too many values"
    refused(call("plan", write(tmp_path, MATRIX + aliases(kind))), message)
    refused(call("plan", with_contract(tmp_path, CONTRACT.replace("SCHEMA", "{}") + aliases(kind))), message)
    refused(call("plan", with_contract(tmp_path, CONTRACT.replace("SCHEMA", "&a {not: *a}"))), "contains itself")
    (tmp_path / "guarantees.yaml").write_text("service: words\n" + aliases(kind))
    refused(call("plan", with_contract(tmp_path, CONTRACT.replace("SCHEMA", "{}"))), message)


# ---- files that are no files


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def loop(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (pipe, "not a regular file"),
        (lambda _: Path("/dev/zero"), "not a regular file"),
        (lambda folder: folder, "not a regular file"),
        (loop, "cannot be read: Too many levels of symbolic links"),
        (lambda folder: folder / LONG, "cannot be read: File name too long"),
        (lambda folder: folder / "\udcff\x1b[2J.yaml", r"\udcff\x1b[2J.yaml: cannot be read: No such file"),
    ],
)  # fmt: skip
def test_files_of_the_command_line(made: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    file = made(tmp_path)
    (tmp_path / "good.yaml").write_text(CONTRACT.replace("SCHEMA", "{}"))
    for arguments in (["plan", file], ["contract", file, tmp_path / "good.yaml"], ["contract", file, file]):
        refused(call(*arguments), message)
    for command in ("judge", "report"):
        refused(call(command, file), "is not a run directory")


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", ".", "loop", LONG, "\\0", "missing"])
def test_references_of_contracts(name: str, tmp_path: Path) -> None:
    pipe(tmp_path)
    loop(tmp_path)
    reason = "leads to " + ("the missing file" if name not in ("pipe", "/dev/zero", ".") else "what is")
    text = CONTRACT.replace("SCHEMA", f'{{"$ref": "{name}#/a"}}')
    refused(call("plan", with_contract(tmp_path, text)), "words.contract.yaml:8: #/paths/", reason)


def test_guarantees_that_are_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "guarantees.yaml")
    refused(
        call("plan", with_contract(tmp_path, CONTRACT.replace("SCHEMA", "{}"))),
        "guarantees.yaml: cannot be read: not a regular",
    )


@pytest.mark.parametrize("name", ["har", "jsonl", "gor"])
def test_recordings_that_are_no_text(name: str, tmp_path: Path) -> None:
    file = write(tmp_path, matrix("words.har", f"words.{name}"))
    (tmp_path / f"words.{name}").write_bytes(bytes(range(256)) * 40)
    refused(call("plan", file), f"words.{name}")


@pytest.mark.parametrize(
    "change",
    [
        {"time": int(DIGITS[:4000])},
        {"_session": int("1" * 4000)},
        {"_session": "\x1b[2J"},
        {"startedDateTime": "9" * 100_000},
        {"\x1b[2J": 1, "request": 7},
        {"request": {**ENTRIES[0]["request"], "url": "http://words:8000/" + "a" * 1_000_000 + "\x00"}},
        {"request": {**ENTRIES[0]["request"], "method": "\x1b" * 100_000}},
        {"request": {**ENTRIES[0]["request"], "headers": [{"name": "\x1b]0;", "value": "1"}]}},
        {"response": {**ENTRIES[0]["response"], "status": int(DIGITS[:4000])}},
    ],
)  # fmt: skip
def test_recordings(change: dict[str, Any], tmp_path: Path) -> None:
    told = call("plan", write(tmp_path, har=recording([{**ENTRIES[0], **change}])))
    if "_session" not in change or told.status:
        refused(told, "words.har:1: log.entries[0]")


def test_numbers_of_recordings_with_6000_digits(tmp_path: Path) -> None:
    har = recording([{**ENTRIES[0], "time": 424242}]).replace("424242", DIGITS)
    refused(call("plan", write(tmp_path, har=har)), "words.har")
    body = recording([{**ENTRIES[0], "comment": 424242}]).replace("424242", DIGITS)
    assert call("plan", write(tmp_path, har=body)).status in (0, 2)
    entry = json.loads(json.dumps(ENTRIES[0]))
    entry["response"]["content"]["text"] = f'{{"name": {DIGITS}, "all": [{HEX[2:10]}, 1e999, NaN]}}'
    assert call("plan", write(tmp_path, har=recording([entry, *ENTRIES]))).status == 0


# ---- contracts


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (f"{{type: integer, minimum: {DIGITS}}}", "words.contract.yaml:8: "),
        (f"{{type: string, minLength: {'9' * 400}}}", "words.contract.yaml:8: #/paths/~1words~1{name}/get/"),
        ("{type: integer, minimum: 1e999}", "words.contract.yaml:8: #/paths/~1words~1{name}/get/"),
        ("{type: [[string]]}", "words.contract.yaml:8: "),
        ("{type: {a: b}}", "words.contract.yaml:8: "),
        ('{"\\e[2J": {a: b}, type: "\\e[2J"}', r"unknown type '\x1b[2J'"),
        ('{properties: {"\\e[2J": 7}}', r"properties/\x1b[2J: a schema must be a mapping"),
        ("{a: !!binary x}", "schema/a: is not valid YAML"),
        ("{a: !<tag:evil> x}", "schema/a: is not valid YAML"),
        ("{a: !!int x}", "schema/a: is not valid YAML"),
        ("{a: !!float x}", "schema/a: is not valid YAML"),
        ("{a: !!timestamp x}", "schema/a: is not valid YAML"),
        ("{a: b, a: c}", "schema: the key 'a' is repeated"),
        ("[" * 3000 + "]" * 3000, "words.contract.yaml"),
        ("{a: !!timestamp 2026-01-01}", "schema/a: is no JSON value: date"),
        ("{a: !!binary YWJj}", "schema/a: is no JSON value: bytes"),
        ("{a: " * 990 + "}" * 990, "nested too deeply"),
        ("{not: " * 200 + "{}" + "}" * 200, "nested too deeply"),
    ],
)  # fmt: skip
def test_contracts(schema: str, message: str, tmp_path: Path) -> None:
    told = call("plan", with_schema(tmp_path, schema))
    if told.status == 0 and schema.startswith("{not: "):
        return  # deep, but not too deep
    refused(told, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{{"openapi": "3.1.0", "a": {DIGITS}}}', "words.json:1: "),
        ('{"openapi": "3.1.0",\n "a": \x00}', "words.json:2: is not valid JSON"),
        ("[" * 100_000, "words.json"),
        (b'{"openapi":\n\n "\xff"}', "words.json:3: is not UTF-8 text"),
        (b"\xff\xfe{\x00}\x00", "words.json:1: is not UTF-8 text"),
        ("", "words.json"),
        ('{"openapi": "\\u001b[2J"}', r"words.json:1: #/openapi: openapi \x1b[2J is not known"),
        ('{"openapi": "\\ud800"}', "words.json:1: #/openapi: is not Unicode text"),
    ],
)
def test_contracts_in_json(text: str | bytes, message: str, tmp_path: Path) -> None:
    refused(call("plan", with_contract(tmp_path, text, "words.json")), message)


def compared(folder: Path, old: str, new: str) -> Told:
    files = []
    for name, schema in (("old", old), ("new", new)):
        files.append(folder / f"{name}.yaml")
        files[-1].write_text(CONTRACT.replace("SCHEMA", schema))
    began = time.monotonic()
    told = call("contract", *files)
    assert time.monotonic() - began < 20
    assert "Traceback" not in told.err
    assert len(told.out) < 20_000
    return told


def eight(*kinds: str) -> str:
    """`anyOf` of eight objects that overlap, each of which has properties of these kinds."""
    branches = [
        f"{{type: object, required: [p{at}], properties: {{p{at}: {{type: {kinds[at % len(kinds)]}}}, "
        f"q{at}: {{enum: [{at}, {at + 1}]}}}}}}"
        for at in range(8)
    ]
    return f"{{anyOf: [{', '.join(branches)}]}}"


def test_any_of_eight_alternatives(tmp_path: Path) -> None:
    told = compared(tmp_path, eight("string", "integer"), eight("string", "number"))
    assert told.status in (0, 1, 3)
    assert "verdict: " in told.out
    assert compared(tmp_path, eight("string"), eight("string")).status == 0
    assert compared(tmp_path, eight("string"), eight("integer")).status == 1


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("{type: string, minLength: 1000000000}", "{type: string, minLength: 1000000001}", (1, 3)),
        ("{type: string, minLength: 1000000000}", "{type: integer}", (1,)),
        ("{type: string, minLength: 1000000000, pattern: '^a*$'}", "{type: integer}", (1,)),
        ("{type: string, minLength: 1000000000, format: date}", "{type: integer}", (1, 3)),
        ("{type: array, minItems: 1000000000, items: {}}", "{type: integer}", (1,)),
        ("{type: object, minProperties: 1000000000}", "{type: integer}", (1,)),
        ("{type: string, maxLength: 50000}", "{type: string, maxLength: 49999}", (1,)),
        ("{type: number, minimum: 1.0e+308}", "{type: number, maximum: -1.0e+308}", (1,)),
        (f"{{type: integer, minimum: {'9' * 400}}}", "{type: integer, maximum: 3}", (2,)),
        (f"{{enum: [{'a' * 1_000_000}]}}", "{type: integer}", (1,)),
    ],
)
def test_values_of_absurd_size(old: str, new: str, status: tuple[int, ...], tmp_path: Path) -> None:
    told = compared(tmp_path, old, new)
    assert told.status in status, told
