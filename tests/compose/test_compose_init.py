"""`verifier init`: a Compose file becomes a matrix that can be planned, and what was left out is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small_matrix import ENTRIES, recording
from verifier.compose.deployment import deployment
from verifier.compose.interpolation import interpolated
from verifier.compose.matrix import Target, matrix_text
from verifier.compose.read import read, seconds
from verifier.compose.recognise import migrates
from verifier.compose.references import own_port
from verifier.errors import BadInput
from verifier.located import load
from verifier.matrix.model import Matrix
from verifier.matrix.parse import parse
from verifier.rehearsal.prepare import prepare
from verifier.runtime.stores.registered import PROCESS_STORES, parts

COMPOSE = """\
x-common: &common
  restart: unless-stopped
services:
  orders:
    <<: *common
    image: shop/orders:${ORDERS_TAG:-1.4}
    command: uvicorn app:app --port 8080
    ports: ["127.0.0.1:8000:8080", "9100:9100"]
    env_file: orders.env
    environment:
      DATABASE_URL: postgresql://shop:secret@db:5432/orders
      ASYNC_URL: postgresql+asyncpg://shop:secret@db:5432/orders
      REDIS_HOST: cache
      REDIS_PORT: 6379
      PAYMENTS_URL: http://payments:8080
      API_KEY: ${API_KEY}
      PRICE: $$5
      DEBUG: false
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8080/healthz"]
      interval: 5s
      retries: 12
      start_period: 10s
    stop_grace_period: 1m30s
    deploy: {replicas: 2}
    volumes: ["./data:/data"]
  worker:
    image: shop/orders:${ORDERS_TAG:-1.4}
    command: ["celery", "worker"]
    environment: ["BROKER=amqp://guest:guest@queue:5672//"]
  migrate:
    image: shop/orders:${ORDERS_TAG:-1.4}
    command: alembic upgrade head
  payments:
    build: {context: ./payments, args: [A=1], target: run}
    expose: [8080]
  db:
    image: postgres:15
    environment: {POSTGRES_USER: shop, POSTGRES_PASSWORD: secret, POSTGRES_DB: orders}
    volumes: ["./init.sql:/docker-entrypoint-initdb.d/init.sql"]
  cache: {image: "redis:7"}
  queue: {image: "rabbitmq:3.10"}
  adminer: {image: adminer}
  web: {image: "nginx:1", ports: ["80:80"], depends_on: [orders]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Compose file, and all files that it names."""
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "orders.env").write_text("FROM_FILE=1\n")
    (tmp_path / "init.sql").write_text("create table t (a int);\n")
    (tmp_path / "payments").mkdir()
    (tmp_path / "payments" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "matrices").mkdir()
    (tmp_path / "orders.har").write_text(recording(ENTRIES))
    return tmp_path


def written(project: Path, old: str = "shop/orders:1.4", new: str = "shop/orders:2.0") -> str:
    found = deployment(read(project / "compose.yaml"), "orders", old, new)
    return matrix_text(found, Target("orders", project / "orders.har", project / "matrices"))


def parsed(project: Path, text: str) -> Matrix:
    file = project / "matrices" / "orders.yaml"
    file.write_text(text)
    return parse(file, PROCESS_STORES, {"API_KEY": "k"}, parts)


def test_services_stores_and_both_versions_are_taken_over(project: Path) -> None:
    matrix = parsed(project, written(project))
    assert [service.name for service in matrix.services] == ["orders", "worker", "payments"]
    assert [store.name for store in matrix.stores] == ["db", "cache", "queue"]
    orders, worker, payments = matrix.services
    assert [version.image for version in orders.versions] == ["shop/orders:1.4", "shop/orders:2.0"]
    assert [version.image for version in worker.versions] == ["shop/orders:1.4", "shop/orders:2.0"]
    assert (orders.port, orders.replicas, orders.stop.grace) == (8080, 2, 90.0)
    assert (orders.ready.kind, orders.ready.value, orders.ready.within) == ("http", "/healthz", 70.0)
    assert worker.kind == "worker"
    assert orders.old.command == ("uvicorn", "app:app", "--port", "{port}")
    assert payments.old.build is not None
    assert payments.old.build.context == project / "payments"
    assert payments.old.build.args == (("A", "1"),)
    assert matrix.stores[0].seed == project / "init.sql"
    assert matrix.traffic[0].client == "1.4"


def test_migrations_are_found_by_name_and_by_command(project: Path) -> None:
    orders = parsed(project, written(project)).service("orders")
    assert orders.old.prepare == ("alembic", "upgrade", "head")
    assert orders.new.migrations.expand == ("alembic", "upgrade", "head")
    assert migrates("sh -c 'flyway -url=x migrate && exec app'")
    assert migrates(("python", "manage.py", "migrate"))
    assert migrates("sh -c 'npm run db:migrate && npm start'")
    assert not migrates("uvicorn app:app")
    assert not migrates("npm start")


def test_addresses_of_stores_become_references(project: Path) -> None:
    orders = parsed(project, written(project)).service("orders")
    values = dict(orders.old.environment)
    assert values["DATABASE_URL"] == "${stores.db.url}"
    assert values["ASYNC_URL"] == "postgresql+asyncpg://shop:secret@${stores.db.host}:${stores.db.port}/orders"
    assert (values["REDIS_HOST"], values["REDIS_PORT"]) == ("${stores.cache.host}", "${stores.cache.port}")
    assert (values["PAYMENTS_URL"], values["API_KEY"]) == ("http://payments:8080", "k")
    assert (values["DEBUG"], values["PRICE"], values["FROM_FILE"]) == ("false", "$5", "1")


def test_commands_hold_wherever_stores_and_replicas_run(project: Path) -> None:
    """Addresses of stores become references, the service's own port `{port}`; nothing else is touched."""
    compose = project / "compose.yaml"
    compose.write_text(
        COMPOSE.replace("uvicorn app:app --port 8080", "sh -c 'wait-for db:5432 && exec serve -b 0.0.0.0:8080 -t 8080'")
        .replace('["celery", "worker"]', "celery -b redis://cache:6379/0 -Q cache --log /srv/cache/8080.log")
        .replace("alembic upgrade head", "migrate -url postgresql://shop:secret@db:5432/orders up")
    )
    matrix = parsed(project, written(project))
    orders, worker, _ = matrix.services
    waits = "wait-for ${stores.db.host}:${stores.db.port} && exec serve -b 0.0.0.0:{port} -t 8080"
    assert orders.old.command == ("sh", "-c", waits)
    assert worker.old.command == ("celery", "-b", "${stores.cache.url}", "-Q", "cache", "--log", "/srv/cache/8080.log")
    assert orders.old.prepare == ("migrate", "-url", "${stores.db.url}", "up")


@pytest.mark.parametrize(
    ("words", "port", "made"),
    [
        (("serve", "--port", "8080"), 8080, ("serve", "--port", "{port}")),
        (("serve", "--port=8080", "-w", "8080"), 8080, ("serve", "--port={port}", "-w", "8080")),
        (("serve", "--listen", ":8080"), 8080, ("serve", "--listen", ":{port}")),
        (("call", "http://payments:8080", "0.0.0.0:80801"), 8080, ("call", "http://payments:8080", "0.0.0.0:80801")),
        (("manage.py", "runserver", "0.0.0.0:8000"), 8000, ("manage.py", "runserver", "0.0.0.0:{port}")),
    ],
)
def test_the_port_that_a_service_listens_on(words: tuple[str, ...], port: int, made: tuple[str, ...]) -> None:
    assert own_port(words, port) == made


def test_addresses_without_a_port_mean_the_usual_one(project: Path) -> None:
    compose = project / "compose.yaml"
    compose.write_text(
        COMPOSE.replace("postgresql://shop:secret@db:5432/orders", "postgres://shop:secret@db/orders")
        .replace("REDIS_HOST: cache", "REDIS_HOST: cache\n      CACHE: redis://cache\n      FILES: /var/cache/db")
        .replace("PRICE: $$5", "PRICE: $$5\n      PORT: 8080\n      PAYMENTS_PORT: 8080")
    )
    values = dict(parsed(project, written(project)).service("orders").old.environment)
    assert values["DATABASE_URL"] == "${stores.db.url}"
    assert values["CACHE"] == "redis://${stores.cache.host}:${stores.cache.port}"
    assert values["FILES"] == "/var/cache/db", "a folder"
    assert (values["PORT"], values["PAYMENTS_PORT"]) == ("{port}", "8080")


def test_a_store_that_a_command_alone_names_is_needed(project: Path) -> None:
    compose = project / "compose.yaml"
    compose.write_text(
        COMPOSE.replace('["celery", "worker"]', "celery -b redis://other:6379/0").replace(
            "cache: {image", "other: {image"
        )
    )
    matrix = parsed(project, written(project))
    assert [store.name for store in matrix.stores] == ["db", "other", "queue"]
    assert matrix.service("worker").old.command == ("celery", "-b", "${stores.other.url}")


def test_a_matrix_runs_in_containers_and_in_processes(project: Path) -> None:
    """The stores by their kinds, and the files of what is built where it is built from."""
    matrix = parsed(project, written(project))
    assert [(store.image, store.process) for store in matrix.stores] == [
        ("postgres:15", "postgres"),
        ("redis:7", "redis"),
        ("rabbitmq:3.10", "rabbitmq"),
    ]
    assert matrix.service("payments").old.directory == project / "payments"


def test_what_was_left_out_is_told_with_the_line_of_the_compose_file(project: Path) -> None:
    told = [line.strip("# ") for line in written(project).splitlines() if line.lstrip().startswith("#")]
    for expected, key in (
        ("restart: the verifier starts and ends replicas itself", "  restart:"),
        ("port 9100: a service has one port", "    ports:"),
        ("volumes: ./data:/data is not mounted", '    volumes: ["./data'),
        ("build.target: a matrix has no such key", "    build:"),
        ("adminer: a tool for people", "  adminer:"),
        ("web: orders does not need it", "  web:"),
    ):
        number = next(at for at, line in enumerate(COMPOSE.splitlines(), 1) if line.startswith(key))
        assert [line for line in told if line.endswith(f"line {number}: {expected}")], (expected, told)


def test_two_compose_files_may_differ_in_more_than_the_image(project: Path) -> None:
    (project / "next.yaml").write_text(
        COMPOSE.replace(":-1.4}", ":-2.0}").replace("DEBUG: false", "DEBUG: true").replace('worker"', 'beat"')
    )
    text = written(project, str(project / "compose.yaml"), str(project / "next.yaml"))
    orders, worker = parsed(project, text).services[:2]
    assert [dict(version.environment)["DEBUG"] for version in orders.versions] == ["false", "true"]
    assert [version.command for version in worker.versions] == [("celery", "worker"), ("celery", "beat")]
    assert [version.name for version in orders.versions] == ["1.4", "2.0"]


def test_images_without_tags_that_tell_them_apart_are_old_and_new(project: Path) -> None:
    text = written(project, "shop/orders@sha256:1", "registry:5000/shop/orders")
    assert [version.name for version in parsed(project, text).service("orders").versions] == ["old", "new"]


def test_the_matrix_can_be_planned(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "k")
    file = project / "matrices" / "orders.yaml"
    file.write_text(written(project))
    (prepared,) = prepare(file, 0, environ=None)
    assert len(prepared.plan.steps) > 10


def test_a_compose_file_is_no_matrix_and_the_message_names_init(project: Path) -> None:
    with pytest.raises(BadInput, match=r"is a Compose file, not a matrix; .*verifier init .*compose\.yaml --service"):
        prepare(project / "compose.yaml", 0, environ=None)


@pytest.mark.parametrize(
    ("service", "old", "new", "why"),
    [
        ("order", "a:1", "a:2", "has no service 'order'; it has orders"),
        ("orders", "a:1", "a:1", "orders is the same in both versions"),
        ("orders", "missing.yaml", "a:2", "there is no such file"),
    ],
)
def test_what_cannot_be_meant_is_bad_input(project: Path, service: str, old: str, new: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        deployment(read(project / "compose.yaml"), service, old, new)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("command: alembic upgrade head", "command: {a: b}", "services.migrate.command: must be text, not a mapping"),
        ('["celery", "worker"]', "[[celery]]", r"services.worker.command\[0\]: must be text, not a list"),
        ("DEBUG: false", "DEBUG: [1]", "services.orders.environment.DEBUG: must be text, not a list"),
        ("env_file: orders.env", "env_file: [{required: {}}, {path: [a]}]", r"env_file\[1\].path: must be text"),
        ("expose: [8080]", "expose: [[80]]", r"services.payments.expose\[0\]: must be text, not a list"),
        ("depends_on: [orders]", "depends_on: [{orders: 1}]", r"depends_on\[0\]: must be text, not a mapping"),
        ('["CMD", "curl", "-f"', '[[CMD], "curl"', r"healthcheck.test\[0\]: must be text, not a list"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_told_with_its_place(project: Path, old: str, new: str, problem: str) -> None:
    assert old in COMPOSE
    (project / "compose.yaml").write_text(COMPOSE.replace(old, new))
    with pytest.raises(BadInput, match=rf"compose\.yaml:\d+: .*{problem}"):
        read(project / "compose.yaml")


def test_a_long_value_that_is_named_often_is_not_filled_in(project: Path) -> None:
    (project / ".env").write_text("LONG=" + "x" * 1_000_000)
    (project / "compose.yaml").write_text(COMPOSE.replace("DEBUG: false", f'DEBUG: "{"${A:-$LONG}" * 1000}"'))
    with pytest.raises(BadInput, match=r"services\.orders\.environment\.DEBUG: stands for too long a text"):
        read(project / "compose.yaml")


def test_whatever_a_compose_file_holds_the_matrix_says_nothing_else(project: Path) -> None:
    """Line breaks, control characters and huge numbers, in values and in what becomes a comment."""
    text = COMPOSE.replace("DEBUG: false", r'"A\nB": "a\nb: c\x7f\u0085\u202e"').replace(
        "restart: unless-stopped", r'"x\nstores: {}\n": 1, stop_signal: "SIGINT, wait: 5s"'
    )
    text = text.replace("x-common: &common\n  ", "x-common: &common {").replace(': 5s"', ': 5s"}')
    text = text.replace("./data:/data", r"a\ntraffic: []:/b").replace("retries: 12", "retries: 1000000000000000000")
    text = text.replace('"9100:9100"', f'"9100:9100", "{"9" * 5000}"')
    (project / "compose.yaml").write_text(text)
    file = project / "matrices" / "orders.yaml"
    file.write_text(written(project))
    found = load(file).plain()
    assert found["traffic"][0]["service"] == "orders" and len(found["traffic"]) == 1
    orders = found["services"]["orders"]
    assert orders["environment"]["A\nB"] == "a\nb: c\x7f\u0085\u202e"
    assert orders["stop"]["signal"] == "SIGINT, wait: 5s"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$A-${A}", "1-1"), ("${B:-x}", "x"), ("${E-x}", ""), ("${E:-x}", "x"), ("${B}", "${env.B}"), ("$$A", "$A"),
        ("${A:+y}", "y"), ("${B:?needed}", "${env.B}"),
    ],
)  # fmt: skip
def test_variables_are_filled_in_as_compose_does(text: str, filled: str) -> None:
    assert interpolated(text, {"A": "1", "E": ""}) == filled


def test_durations_of_compose() -> None:
    assert (seconds("1m30s"), seconds("500ms"), seconds("2h"), seconds(5)) == (90.0, 0.5, 7200.0, 5.0)
