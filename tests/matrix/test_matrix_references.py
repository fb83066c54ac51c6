"""References stand for something or are bad input, with file, line and key, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small_matrix import ENTRIES, recording
from verifier.errors import BadInput, Problem
from verifier.matrix.model import Matrix
from verifier.matrix.parse import parse
from verifier.rehearsal.prepare import prepare
from verifier.runtime.stores.registered import PROCESS_STORES, parts

MATRIX = """\
services:
  web:
    port: 80
    command: [serve, --port, "{port}", --database, "${stores.db.path}", --key, "${env.KEY}"]
    ready: {command: "check {port} ${stores.db.url}"}
    environment:
      - A=${env.KEY}-x
      - B
      - ABSENT
    env_file: [web.env, more.env]
    prepare: [migrate, "${stores.db.database}"]
    versions:
      "1": {environment: {C: own}}
      "2": {migrate: {expand: "migrate ${stores.db.url} ${env.KEY}"}}
  mailer:
    kind: worker
    ready: {log: up}
    command: work
    versions: {"1": {}}
stores: {db: {process: sqlite}, pg: {process: postgres, environment: {POSTGRES_PASSWORD: "${env.KEY}"}}}
traffic: [{recording: words.har}]
"""
CALLER = {"KEY": "s3cret-of-the-caller", "B": "from-caller", "UNUSED": "x"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "words.har").write_text(recording(ENTRIES))
    (tmp_path / "web.env").write_text("# a comment\nC=file\nexport D = d # why\nE='quoted # all'\n\nF=${env.KEY}\n")
    (tmp_path / "more.env").write_text('D="later"\n')
    return tmp_path


def read(folder: Path, text: str = MATRIX) -> Matrix:
    (folder / "m.yaml").write_text(text)
    return parse(folder / "m.yaml", PROCESS_STORES, CALLER, parts)


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(BadInput) as caught:
        read(folder, text)
    return caught.value.problems


def test_the_caller_s_variables_are_filled_in_everywhere(folder: Path) -> None:
    found = read(folder)
    web = found.services[0]
    assert web.old.command is not None
    assert web.old.command[-1] == CALLER["KEY"]
    assert web.new.migrations.expand[-1] == f"migrate ${{stores.db.url}} {CALLER['KEY']}"
    assert dict(found.stores[1].environment) == {"POSTGRES_PASSWORD": CALLER["KEY"]}
    assert dict(found.caller) == {"KEY": CALLER["KEY"], "B": "from-caller"}
    assert CALLER["KEY"] not in repr(found.caller == ()) + repr(Matrix.__dataclass_fields__["caller"].repr)


def test_environments_come_from_lists_and_files_and_the_nearest_counts(folder: Path) -> None:
    old, new = read(folder).services[0].versions
    shared = {"A": f"{CALLER['KEY']}-x", "B": "from-caller", "D": "later", "E": "quoted # all", "F": CALLER["KEY"]}
    assert dict(old.environment) == shared | {"C": "own"}
    assert dict(new.environment) == shared | {"C": "file"}


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "message"),
    [
        ('"${env.KEY}"]', '"${env.NOPE}"]', 4, "services.web.command[6]", "the environment variable NOPE is not set"),
        ("${stores.db.path}", "${stores.dv.path}", 4, "services.web.command[4]", "${stores.dv.path} is not defined"),
        ("${stores.db.path}", "${stores.db.host}", 4, "services.web.command[4]", "${stores.db.host} is not defined"),
        ("${stores.db.path}", "${stores.pg.path}", 4, "services.web.command[4]", "${stores.pg.path} is not defined"),
        ("check {port}", "check ${PORT}", 5, "services.web.ready.command", "${PORT} is not defined"),
        ("- A=$", "- A=${stores.db}$", 7, "services.web.environment[0]", "${stores.db} is not defined"),
        ("- B\n", "- =B\n", 8, "services.web.environment[1]", "must be NAME=value or NAME"),
        ("more.env]", "none.env]", 10, "services.web.env_file[1]", "there is no file"),
        ('migrate, "${st', 'migrate, "${xt', 11, "services.web.prepare[1]", "is not defined"),
        ("te ${stores.db.url}", "te ${stores.db.user}", 14, "services.web.versions.2.migrate.expand", "is not defined"),
        ("command: work", 'command: [work, "{port}"]', 18, "services.mailer.command[1]", "a worker has no port"),
        ("D: \"${env.KEY}", "D: \"${stores.db.url}", 20, "stores.pg.environment.POSTGRES_PASSWORD", "is not defined"),
    ],
)  # fmt: skip
def test_what_stands_for_nothing_is_told_with_its_line(
    folder: Path, old: str, new: str, line: int, key: str, message: str
) -> None:
    assert old in MATRIX
    found = problems(folder, MATRIX.replace(old, new, 1))
    assert [(problem.line, problem.key) for problem in found] == [(line, key)]
    assert message in found[0].message


def test_a_line_of_an_environment_file_is_told_with_its_place(folder: Path) -> None:
    (folder / "web.env").write_text("A=1\nB\nC=${stores.db.url}\n")
    found = problems(folder, MATRIX)
    assert [(problem.file, problem.line) for problem in found] == [(str(folder / "web.env"), n) for n in (2, 3)]


def test_the_plan_tells_it_already(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEY", raising=False)
    (folder / "m.yaml").write_text(MATRIX)
    with pytest.raises(BadInput, match="KEY is not set"):
        prepare(folder / "m.yaml", 0, environ=None)
    monkeypatch.setenv("KEY", "anything")
    assert prepare(folder / "m.yaml", 0, environ=None)[0].credentials is None


def test_the_caller_s_values_are_masked(folder: Path) -> None:
    (folder / "m.yaml").write_text(MATRIX)
    hidden = prepare(folder / "m.yaml", 0, environ=CALLER | {"B": "on"})[0].credentials
    assert hidden is not None
    assert hidden.mask_text(f"the key is {CALLER['KEY']}, on") == "the key is ${env.KEY}, on"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"2": {', '"2": {prepare: x, ', "services.web.versions.2.prepare"),
        ('"2": {', '"2": {seed: x, ', "services.web.versions.2.seed"),
        ('"1": {env', '"1": {migrate: {expand: x}, env', "services.web.versions.1.migrate"),
    ],
)
def test_a_key_without_effect_is_refused(folder: Path, old: str, new: str, key: str) -> None:
    assert old in MATRIX
    found = problems(folder, MATRIX.replace(old, new, 1))
    assert [problem.key for problem in found] == [key]
    assert "has no effect" in found[0].message


def test_what_the_oldest_version_would_undo_is_refused(folder: Path) -> None:
    text = MATRIX.replace('    prepare: [migrate, "${stores.db.database}"]\n', "")
    (found,) = problems(folder, text.replace('"1": {env', '"1": {migrate: {expand: up, undo: x}, env'))
    assert (found.key, "has no effect" in found.message) == ("services.web.versions.1.migrate.undo", True)


def test_the_oldest_version_s_migrations_prepare_fresh_stores(folder: Path) -> None:
    text = MATRIX.replace('    prepare: [migrate, "${stores.db.database}"]\n', "    seed: load\n")
    text = text.replace('"1": {env', '"1": {migrate: {expand: up, contract: drop}, env')
    web = read(folder, text).services[0]
    assert web.old.preparation == (
        ("expand", ("sh", "-c", "up")), ("contract", ("sh", "-c", "drop")), ("seed", ("sh", "-c", "load")),
    )  # fmt: skip
    assert read(folder).services[0].old.preparation == (("prepare", ("migrate", "${stores.db.database}")),)


def test_only_sql_is_loaded_into_a_store(folder: Path) -> None:
    (folder / "data.sql").write_text("")
    seeded = read(folder, MATRIX.replace("{process: sqlite}", "{process: sqlite, seed: data.sql}"))
    assert seeded.stores[0].seed == folder / "data.sql"
    (found,) = problems(folder, MATRIX.replace("{process: sqlite}", "{process: sqlite, seed: words.har}"))
    assert "must be a .sql file" in found.message


@pytest.mark.parametrize(
    ("declared", "key", "message"),
    [
        ("{kind: redis, image: our-cache}", "", ""),
        ("{kind: redis}", "", ""),
        ("{process: directory, content: .}", "", ""),
        ("{process: file, content: words.har}", "", ""),
        ("{process: file, content: .}", "stores.more.content", "there is no file"),
        ("{process: directory, content: words.har}", "stores.more.content", "there is no directory"),
        ("{process: sqlite, content: words.har}", "stores.more.content", "has no effect"),
        ("{kind: oracle}", "stores.more.kind", "must be one of"),
        ("{}", "stores.more", "needs an 'image'"),
    ],
)
def test_stores_by_one_word(folder: Path, declared: str, key: str, message: str) -> None:
    text = MATRIX.replace("stores: {", f"stores: {{more: {declared}, ")
    if not key:
        more = next(store for store in read(folder, text).stores if store.name == "more")
        assert more.process in ("redis", "directory", "file")
        assert more.content is None or more.content.exists()
    else:
        (found,) = problems(folder, text)
        assert (found.key, message in found.message) == (key, True), found
