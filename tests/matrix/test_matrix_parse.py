"""Matrices: what is right becomes values, and what is wrong is told in one go, with file, line and key."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.errors import BadInput, Problem
from verifier.matrix.model import FAULTS, Matrix, Rollout, TrafficRules
from verifier.matrix.parse import parse
from verifier.runtime.base import Build, Readiness
from verifier.runtime.stores.registered import PROCESS_STORES

GOOD = """\
matrix: checkout
services:
  orders:
    port: 8080
    ready: /healthz
    replicas: 2
    environment: {DATABASE_URL: "${stores.db.url}", SHARED: shared, DEBUG: true}
    stop: {signal: SIGINT, grace: 500ms, wait: 2s}
    versions:
      "1.4": {command: [serve, --port, "{port}"], contract: contract.yaml}
      "2.0":
        image: "shop/orders:2.0"
        build: {context: context, args: {RELEASE: "2.0"}}
        environment: {SHARED: own}
        migrate: {expand: [migrate, up], undo: "migrate down"}
  web:
    port: 80
    command: serve
    versions: {"1": {}}
stores:
  db: {image: "postgres:15", process: sqlite}
partners:
  psp: {contract: contract.yaml, delay: 2s}
rollout: {strategy: canary, order: [web, orders], rollback: every-state}
traffic:
  - recording: traffic.har
    client: "1.4"
    rules: {flows: [{from: $response.body#/id, to: $request.path.id}], keep: [a], fresh: [b]}
faults: [reset, lost-answer]
budget: 5m
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("contract.yaml", "traffic.har"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    return tmp_path


def read(folder: Path, text: str) -> Matrix:
    file = folder / "matrix.yaml"
    file.write_text(dedent(text), encoding="utf-8")
    return parse(file, PROCESS_STORES)


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(BadInput) as caught:
        read(folder, text)
    assert all(problem.file.endswith("matrix.yaml") for problem in caught.value.problems)
    return caught.value.problems


def test_a_matrix_becomes_values(folder: Path) -> None:
    found = read(folder, GOOD)
    orders, web = found.services
    old, new = orders.versions
    assert (found.name, found.budget, found.faults) == ("checkout", 300.0, ("reset", "lost-answer"))
    assert (orders.port, orders.replicas, orders.ready) == (8080, 2, Readiness("http", "/healthz"))
    assert (orders.stop.signal, orders.stop.grace, orders.stop.wait) == ("SIGINT", 0.5, 2.0)
    assert (old.name, old.command, old.image) == ("1.4", ("serve", "--port", "{port}"), None)
    assert dict(old.environment) == {"DATABASE_URL": "${stores.db.url}", "SHARED": "shared", "DEBUG": "true"}
    assert dict(new.environment)["SHARED"] == "own"
    assert (old.contract, new.contract) == (folder / "contract.yaml", None)
    assert new.build == Build(folder / "context", "Dockerfile", (("RELEASE", "2.0"),))
    assert new.migrations.expand == ("migrate", "up")
    assert new.migrations.undo == ("sh", "-c", "migrate down")
    assert (web.versions[0].command, web.ready) == (("sh", "-c", "serve"), Readiness("tcp", ""))
    assert found.rollout == Rollout("canary", ("web", "orders"), False, False, "every-state")
    assert (found.partners[0].delay, found.partners[0].contract) == (2.0, folder / "contract.yaml")
    traffic = found.traffic[0]
    assert (traffic.recording, traffic.client, traffic.service) == (folder / "traffic.har", "1.4", "orders")
    assert traffic.rules == TrafficRules((("$response.body#/id", "$request.path.id"),), ("a",), ("b",))


def test_what_is_not_said_has_a_default(folder: Path) -> None:
    found = read(
        folder,
        """\
        services:
          web: {port: 80, command: serve, versions: {"1": {}, "2": {environment: {NEW: on}}}}
        traffic: [{recording: traffic.har}]
        """,
    )
    assert (found.name, found.faults, found.stores, found.partners) == ("matrix", FAULTS, (), ())
    assert found.rollout == Rollout("rolling", ("web",), False, False, "ends")
    assert (found.services[0].replicas, found.traffic[0].service, found.traffic[0].client) == (1, "web", "")
    assert dict(found.services[0].new.environment) == {"NEW": "true"}


def test_what_a_shell_expands_is_no_reference(folder: Path) -> None:
    """The twin is a misspelt reference, among the changes below."""
    command = "sh -c 'serve --db ${DATABASE_URL#sqlite://} ${PORT:-80}'"
    found = read(
        folder,
        f"""\
        services:
          web: {{port: 80, versions: {{"1": {{command: "{command}"}}, "2": {{command: serve}}}}}}
        traffic: [{{recording: traffic.har}}]
        """,
    )
    assert "${DATABASE_URL#sqlite://}" in " ".join(found.services[0].old.command)


# Changes of the good matrix, each with the line and the key of the problem that it makes, and a part of the sentence.
WRONG = [
    ("port: 8080", "prot: 8080", (4, "services.orders.prot", "did you mean 'port'")),
    ("port: 8080", "port: 80a", (4, "services.orders.port", "whole number")),
    ("port: 8080", "port: 70000", (4, "services.orders.port", "at most 65535")),
    ("replicas: 2", "replicas: true", (6, "services.orders.replicas", "whole number")),
    ("replicas: 2", "replicas: 0", (6, "services.orders.replicas", "at least 1")),
    ("ready: /healthz", "ready: healthz", (5, "services.orders.ready", "must be a path")),
    ("ready: /healthz", "ready: {http: /, log: x}", (5, "services.orders.ready", "one of http, log")),
    ("ready: /healthz", "ready: {log: '('}", (5, "services.orders.ready.log", "regular expression")),
    ("ready: /healthz", "ready: {http: /, within: soon}", (5, "services.orders.ready.within", "duration")),
    ("signal: SIGINT", "signal: SIGNOT", (8, "services.orders.stop.signal", "must be one of")),
    ("grace: 500ms", "grace: [1]", (8, "services.orders.stop.grace", "duration")),
    ("contract: contract.yaml}\n      \"2.0\"", "contract: no.yaml}\n      \"2.0\"",
     (10, "services.orders.versions.1.4.contract", "there is no file")),
    ("context: context", "context: nowhere", (13, "services.orders.versions.2.0.build.context", "no build context")),
    ("args: {RELEASE", "dockerfile: Nofile, args: {RELEASE",
     (13, "services.orders.versions.2.0.build.dockerfile", "there is no Nofile")),
    ("expand: [migrate, up]", "expand: []", (15, "services.orders.versions.2.0.migrate.expand", "must not be empty")),
    ("expand: [migrate, up]", "expand: [[up]]", (15, "services.orders.versions.2.0.migrate.expand[0]", "must be text")),
    ("undo:", "redo:", (15, "services.orders.versions.2.0.migrate.redo", "contract, expand, migrate, undo")),
    ("  web:", "  Web:", (16, "services.Web", "host name")),
    ("command: serve", "image: [a]", (18, "services.web.image", "must be text")),
    ("    command: serve\n", "", (18, "services.web.versions.1", "'image'")),
    ('versions: {"1": {}}', "versions: {}", (19, "services.web.versions", "needs its versions")),
    ("db: {image: \"postgres:15\", process: sqlite}", "db: {port: 1}", (21, "stores.db", "needs an 'image'")),
    ("process: sqlite", "process: oracle", (21, "stores.db.process", "sqlite, postgres")),
    ("${stores.db.url}", "${stores.dp.url}", (7, "services.orders.environment.DATABASE_URL", "${stores.db.url}")),
    ("  db: {image", "  orders: {image", (21, "stores.orders", "already taken by services")),
    ("delay: 2s", "delay: -1", (23, "partners.psp.delay", "duration")),
    ("strategy: canary", "strategy: canry", (24, "rollout.strategy", "rolling, canary")),
    ("order: [web, orders]", "order: [web, web]", (24, "rollout.order", "every service once")),
    ("order: [web, orders]", "order: sideways", (24, "rollout.order", "declared, any, safe")),
    ("rollback: every-state", "rollback: often", (24, "rollout.rollback", "every-state, ends, none")),
    ("recording: traffic.har", "recording: no.har", (26, "traffic[0].recording", "there is no file")),
    ('client: "1.4"', 'client: "9"', (27, "traffic[0].client", "no service has a version '9'")),
    ("{from: $response.body", "{form: $response.body", (28, "traffic[0].rules.flows[0].form", "'from'")),
    ("faults: [reset, lost-answer]", "faults: [resett]", (29, "faults[0]", "reset")),
    ("faults: [reset, lost-answer]", "faults: some", (29, "faults", "all, none or a list")),
    ("budget: 5m", "budget: 5 minutes", (30, "budget", "duration")),
    ("budget: 5m", "budgte: 5m", (30, "budgte", "did you mean 'budget'")),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "expected"), WRONG, ids=[f"{line}-{key}" for _, _, (line, key, _) in WRONG])
def test_one_mistake_is_told_with_its_line_and_key(
    folder: Path, good: str, bad: str, expected: tuple[int, str, str]
) -> None:
    assert good in GOOD
    line, key, said = expected
    found = problems(folder, GOOD.replace(good, bad, 1))
    hits = [problem for problem in found if (problem.line, problem.key) == (line, key)]
    assert hits, found
    assert any(said in problem.message for problem in hits), hits


def test_all_mistakes_are_told_in_one_go_and_in_order(folder: Path) -> None:
    """Every change of a different line, made at once: every problem is there."""
    text, wanted = GOOD, set()
    for good, bad, (line, key, _) in WRONG:
        if line not in {entry[0] for entry in wanted} and text.count("\n") == GOOD.count("\n") and good in text:
            changed = text.replace(good, bad, 1)
            if changed.count("\n") == GOOD.count("\n"):
                text = changed
                wanted.add((line, key))
    found = problems(folder, text)
    places = {(problem.line, problem.key) for problem in found}
    assert len(wanted) > 12
    # A service of another name has other keys beneath it; everything else must be found as it stands.
    assert {place for place in wanted - places if not place[1].startswith(("services.web", "stores"))} == set()
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


@pytest.mark.parametrize("key", ["services", "traffic"])
def test_what_a_matrix_must_have(folder: Path, key: str) -> None:
    kept = {name: value for name, value in yaml.safe_load(GOOD).items() if name != key}
    assert any(f"must declare {key!r}" in problem.message for problem in problems(folder, yaml.safe_dump(kept)))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 0, "is empty"),
        ("# nothing\n", 0, "is empty"),
        ("matrix: [\n", 2, "not valid YAML"),
        ("matrix: a\n\tservices: b\n", 2, "not valid YAML"),
        ("matrix: a\nmatrix: b\n", 2, "is repeated"),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML"),
        ("? [a, b]\n: c\n", 1, "plain word"),
        ("a: &x [*x]\n", 1, "contains itself"),
        ("a: !!python/object:os.system x\n", 1, "not valid YAML"),
        ("a: 2026-99-99\n", 1, ""),
        ("a: *nowhere\n", 1, "not valid YAML"),
        ("just words\n", 1, "must be a mapping"),
        ("- a\n- list\n", 1, "must be a mapping"),
    ],
)
def test_broken_yaml_is_told_with_its_line(folder: Path, text: str, line: int, said: str) -> None:
    found = problems(folder, text)
    assert any(problem.line == line and said in problem.message for problem in found), found


def test_a_file_that_is_no_text(folder: Path) -> None:
    file = folder / "matrix.yaml"
    file.write_bytes(b"matrix: \xff\xfe\n")
    with pytest.raises(BadInput, match="UTF-8"):
        parse(file, PROCESS_STORES)
    with pytest.raises(BadInput, match="cannot be read"):
        parse(folder / "none.yaml", PROCESS_STORES)
    with pytest.raises(BadInput, match="cannot be read"):
        parse(folder, PROCESS_STORES)


def test_nothing_to_deploy_is_told(folder: Path) -> None:
    text = """\
        services: {web: {port: 80, command: serve, versions: {"1": {}}}}
        traffic: [{recording: traffic.har}]
    """
    assert any("nothing to deploy" in problem.message for problem in problems(folder, text))


WORDS = st.sampled_from(
    ["matrix", "services", "orders", "port", "ready", "versions", "image", "build", "command", "migrate", "expand",
     "stores", "partners", "contract", "rollout", "strategy", "order", "any", "traffic", "recording", "rules", "flows",
     "faults", "all", "budget", "5m", "${stores.x.url}", "${", "context", "stop", "signal", "SIGTERM", "environment",
     "traffic.har", "contract.yaml", "log", "(", "", "1.0", "~"]
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.text(max_size=5), st.dates())
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, WORDS, SCALARS), inner, max_size=4)
    ),
    max_leaves=20,
)
junk_settings = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def never_crashes(folder: Path, text: str) -> None:
    file = folder / "matrix.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        parse(file, PROCESS_STORES)
    except BadInput as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)


@junk_settings
@given(junk=JUNK)
def test_junk_is_bad_input_and_never_a_crash(folder: Path, junk: Any) -> None:
    never_crashes(folder, yaml.safe_dump(junk, allow_unicode=True))


@junk_settings
@given(junk=JUNK, at=st.integers(0, 200))
def test_a_good_matrix_with_junk_in_one_place_is_never_a_crash(folder: Path, junk: Any, at: int) -> None:
    tree = yaml.safe_load(GOOD)
    places = list(_places(tree))
    owner, key = places[at % len(places)]
    owner[key] = junk
    never_crashes(folder, yaml.safe_dump(tree, allow_unicode=True))


@junk_settings
@given(text=st.text(alphabet=st.sampled_from(list("abc:{}[]&*!?|>-#'\"\n\t ,%@`~0.$<")), max_size=60))
def test_odd_text_is_never_a_crash(folder: Path, text: str) -> None:
    never_crashes(folder, text)


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _places(value)


def test_one_mistake_hides_no_other(folder: Path) -> None:
    """Without versions, without a recording: what stands beside them is read all the same, and blamed for itself."""
    text = """\
        services:
          web: {port: none, ready: x, replicas: 0, stop: {grace: no}, versions: {}}
          api: {port: 80, command: serve, versions: {"1": {}, "2": {}}}
        rollout: {order: [api, web]}
        traffic: [{recording: no.har, service: web, client: "2", rules: {flows: [{}]}}]
    """
    keys = [problem.key for problem in problems(folder, text)]
    assert keys == [
        "services.web.port",
        "services.web.ready",
        "services.web.replicas",
        "services.web.stop.grace",
        "services.web.versions",
        "traffic[0].recording",
        "traffic[0].rules.flows[0]",
    ]


WORKER = """\
services:
  web:
    port: 80
    command: serve
    versions: {"1": {}, "2": {}}
  mailer:
    kind: worker
    ready: {log: up}
    command: work
    versions: {"1": {}}
traffic: [{recording: traffic.har}]
"""


def _parts() -> tuple[str, str]:
    """The two services of WORKER, as text."""
    services = WORKER.partition("services:\n")[2].partition("traffic:")[0]
    at = services.index("  mailer:")
    return services[:at], services[at:]


def test_a_worker_has_no_port_and_gets_no_traffic(folder: Path) -> None:
    found = read(folder, WORKER)
    web, mailer = found.services
    assert (web.kind, web.serves, mailer.kind, mailer.serves) == ("web", True, "worker", False)
    assert (mailer.port, mailer.ready) == (0, Readiness("log", "up"))
    assert found.ports == {"web": 80}
    mailer_first = (
        WORKER.replace("  web:\n", "  aaa:\n").replace("  mailer:\n", "  web:\n").replace("  aaa:\n", "  mailer:\n")
    )
    assert [entry.service for entry in read(folder, mailer_first).traffic] == ["mailer"]


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("    kind: worker\n", "    kind: worker\n    port: 80\n", "services.mailer.port", "a worker has no port"),
        ("    ready: {log: up}\n", "", "services.mailer", "a worker needs 'ready'"),
        ("{log: up}", "/healthz", "services.mailer.ready", "a worker has no port"),
        ("{log: up}", "tcp", "services.mailer.ready", "a worker has no port"),
        ("kind: worker", "kind: works", "services.mailer.kind", "must be one of web, worker"),
        ("traffic.har}", "traffic.har, service: mailer}", "traffic[0].service", "must be one of web"),
        ("    port: 80\n", "    kind: worker\n    ready: {command: true}\n", "traffic", "all are workers"),
    ],
)
def test_what_a_worker_cannot_have(folder: Path, old: str, new: str, key: str, message: str) -> None:
    assert old in WORKER
    found = problems(folder, WORKER.replace(old, new, 1))
    assert any(problem.key == key and message in problem.message for problem in found), found
