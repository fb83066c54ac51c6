"""`verifier init --from-kubernetes`: manifests become a matrix, and secrets are never copied."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.small_matrix import ENTRIES, recording
from verifier.cli.init import init
from verifier.errors import BadInput
from verifier.located import load, load_all
from verifier.matrix.model import Amount, Matrix
from verifier.matrix.parse import parse
from verifier.rehearsal.prepare import prepare
from verifier.runtime.stores.registered import PROCESS_STORES, parts

PASSWORD = "aHVudGVyMi1odW50ZXIy"  # in base64, as a Secret holds it
APP = """\
# Source: shop/templates/config.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: orders-config}
data:
  CURRENCY: EUR
  notes: |
    a text
    with --- in it
---
apiVersion: v1
kind: Secret
metadata: {name: db-auth}
data: {password: aHVudGVyMi1odW50ZXIy}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders-deployment}
spec:
  replicas: 3
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 50%, maxUnavailable: 1}}
  selector: {matchLabels: {app: orders}}
  template:
    metadata: {labels: {app: orders, tier: web}}
    spec:
      terminationGracePeriodSeconds: 45
      initContainers:
        - {name: schema, image: "shop/orders:1.4", command: [alembic, upgrade, head]}
        - {name: wait, image: busybox, command: [sh, -c, "sleep 1"]}
      containers:
        - name: app
          image: shop/orders:1.4
          args: [serve, --currency, $(CURRENCY)]
          ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}]
          envFrom: [{configMapRef: {name: orders-config}}, {secretRef: {name: db-auth, optional: true}, prefix: DB_}]
          env:
            - {name: PASSWORD, valueFrom: {secretKeyRef: {name: db-auth, key: password}}}
            - {name: DATABASE_URL, value: "postgresql://shop:$(PASSWORD)@db-0.db:5432/orders"}
            - {name: PAYMENTS_URL, value: "http://payments.shop.svc.cluster.local:80"}
            - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
          readinessProbe: {httpGet: {path: /healthz, port: http}, initialDelaySeconds: 5}
          startupProbe: {httpGet: {path: /healthz, port: http}, failureThreshold: 30, periodSeconds: 2}
          lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
          volumeMounts: [{name: config, mountPath: /etc/orders}]
        - {name: proxy, image: "envoy:1"}
---
apiVersion: v1
kind: Service
metadata: {name: orders}
spec: {selector: {app: orders}, ports: [{port: 80, targetPort: http}]}
---
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: public}
"""
REST = """\
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: payments}
    spec:
      strategy: {type: Recreate}
      template:
        metadata: {labels: {app: payments}}
        spec:
          containers:
            - name: app
              image: shop/payments:1.2
              command: [python, -m, payments]
              ports: [{containerPort: 8000}]
              readinessProbe: {tcpSocket: {port: 8000}}
  - apiVersion: v1
    kind: Service
    metadata: {name: payments}
    spec: {selector: {app: payments}, ports: [{port: 80, targetPort: 8000}]}
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: database}
    spec:
      serviceName: db
      template:
        metadata: {labels: {app: db}}
        spec:
          containers:
            - name: postgres
              image: postgres:15
              env:
                - {name: POSTGRES_USER, value: shop}
                - {name: POSTGRES_DB, value: orders}
                - {name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: db-auth, key: password}}}
  - apiVersion: v1
    kind: Service
    metadata: {name: db}
    spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
  - apiVersion: v1
    kind: Service
    metadata: {name: psp}
    spec: {type: ExternalName, externalName: psp.example.com}
  - apiVersion: batch/v1
    kind: Job
    metadata: {name: report}
    spec: {template: {spec: {containers: [{name: report, image: "shop/orders:1.4", args: [report]}]}}}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: unrelated}
    spec: {template: {spec: {containers: [{name: app, image: "other:1"}]}}}
"""


def test_values_that_multiply_numbers_without_bound_and_lines_in_names_do_no_harm(folder: Path) -> None:
    bomb = "".join(f'            - {{name: B{n}, value: "$(B{n - 1})$(B{n - 1})$(B{n - 1})"}}\n' for n in range(1, 60))
    text = APP.replace(
        "            - {name: POD_IP", f'            - {{name: B0, value: "xx"}}\n{bomb}            - {{name: POD_IP'
    )
    text = text.replace("maxSurge: 50%", r'maxSurge: "1}\nstores: {}\n#"').replace(
        "periodSeconds: 2", f"periodSeconds: '{'9' * 5000}'"
    )
    text = text.replace("name: proxy", r'name: "a\nstores: {}"').replace(
        "targetPort: http", "targetPort: " + "'" + "9" * 5000 + "'"
    )
    (folder / "app.yaml").write_text(text)
    told = CliRunner().invoke(
        init, ["--from-kubernetes", "app.yaml", "--service", "orders", "--old", "a:1", "--new", "a:2"]
    )
    assert told.exit_code == 0, told.output
    (made,) = folder.glob("matrices/*.yaml")
    found = load(made).plain()
    assert "stores" not in found and made.stat().st_size < 2_000_000
    assert found["services"]["orders"]["port"] == 8080
    assert found["rollout"]["rolling"] == {"maxSurge": "25%", "maxUnavailable": 1}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app.yaml").write_text(APP)
    (tmp_path / "rest.yaml").write_text(REST)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    done = CliRunner().invoke(init, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return Path("matrices/orders.yaml").read_text()


FILES = ("--from-kubernetes", "app.yaml", "rest.yaml", "--service", "orders")
IMAGES = ("--old", "shop/orders:1.4", "--new", "shop/orders:2.0")


def parsed(folder: Path) -> Matrix:
    file = folder / "matrices" / "orders.yaml"
    (folder / "matrices" / "recordings").mkdir(exist_ok=True)
    (folder / "matrices" / "recordings" / "orders.har").write_text(recording(ENTRIES))
    return parse(file, PROCESS_STORES, {"DB_AUTH_PASSWORD": "hunter2-hunter2"}, parts)


def test_workloads_services_and_stores_are_taken_over(folder: Path) -> None:
    run(*FILES, *IMAGES)
    matrix = parsed(folder)
    orders, payments = matrix.services
    assert (orders.name, payments.name, [store.name for store in matrix.stores]) == ("orders", "payments", ["db"])
    assert [version.image for version in orders.versions] == ["shop/orders:1.4", "shop/orders:2.0"]
    assert (orders.port, orders.replicas, orders.stop.grace) == (8080, 3, 45.0)
    assert (orders.ready.kind, orders.ready.value, orders.ready.within) == ("http", "/healthz", 60.0)
    assert orders.old.command == ("serve", "--currency", "EUR")
    assert orders.old.prepare == orders.new.migrations.expand == ("alembic", "upgrade", "head")
    assert (matrix.rollout.strategy, matrix.rollout.surge, matrix.rollout.unavailable) == (
        "rolling", Amount(50, True), Amount(1),
    )  # fmt: skip
    assert (payments.port, payments.ready.kind, payments.old.command) == (8000, "tcp", ("python", "-m", "payments"))
    assert matrix.stores[0].image == "postgres:15"


def test_variables_of_config_maps_are_values_and_those_of_secrets_are_the_callers(folder: Path) -> None:
    text = run(*FILES, *IMAGES)
    assert PASSWORD not in text and "hunter2" not in text
    values = dict(parsed(folder).services[0].old.environment)
    assert values["CURRENCY"] == "EUR"
    assert values["PASSWORD"] == values["DB_password"] == "hunter2-hunter2"
    assert values["DATABASE_URL"] == "postgresql://shop:hunter2-hunter2@${stores.db.host}:${stores.db.port}/orders"
    assert values["PAYMENTS_URL"] == "http://payments:80"
    assert "POD_IP" not in values


def test_what_was_left_out_is_told_with_file_and_line(folder: Path) -> None:
    told = run(*FILES, *IMAGES)
    for file, source, key, expected in (
        ("app.yaml", APP, "kind: Ingress", "Ingress public: clients of a run call the services directly"),
        ("app.yaml", APP, "- {name: wait", "init container wait: is not run"),
        ("app.yaml", APP, "- {name: proxy", "container proxy: a replica has one container"),
        ("app.yaml", APP, "- {name: POD_IP", "env POD_IP: what it refers to is not in these manifests"),
        ("app.yaml", APP, "lifecycle:", "preStop: is not run"),
        ("app.yaml", APP, "volumeMounts:", "volume /etc/orders: nothing is mounted"),
        ("rest.yaml", REST, "command: [python", "command: replaces the entry point of the image"),
        ("rest.yaml", REST, "name: psp", "Service psp: has no pods among these manifests"),
        ("rest.yaml", REST, "name: report", "Job report: ends by itself and migrates nothing"),
        ("rest.yaml", REST, "name: unrelated", "unrelated: orders does not need it"),
    ):
        number = next(at for at, line in enumerate(source.splitlines(), 1) if key in line)
        near = [f"{file}, line {at}: {expected}" for at in range(number - 2, number + 1)]
        assert any(line in told for line in near), (near, told)


def test_the_matrix_can_be_planned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_AUTH_PASSWORD", "hunter2-hunter2")
    run(*FILES, *IMAGES)
    parsed(folder)
    (prepared,) = prepare(folder / "matrices" / "orders.yaml", 0, environ=None)
    assert len(prepared.plan.steps) > 10


def test_rendered_manifests_of_both_versions_may_differ_in_more_than_the_image(folder: Path) -> None:
    whole = APP + "---\n" + REST
    (folder / "old.yaml").write_text(whole)
    (folder / "new.yaml").write_text(whole.replace("shop/orders:1.4", "shop/orders:2.0").replace("EUR", "USD"))
    run("--from-kubernetes", "old.yaml", "--service", "orders", "--old", "old.yaml", "--new", "new.yaml")
    orders = parsed(folder).services[0]
    assert [dict(version.environment)["CURRENCY"] for version in orders.versions] == ["EUR", "USD"]
    assert [version.name for version in orders.versions] == ["1.4", "2.0"]


def test_strategies_of_other_workloads(folder: Path) -> None:
    for service, expected in (("payments", "rollout: {strategy: recreate"), ("unrelated", "maxSurge: 25%")):
        Path("matrices/orders.yaml").unlink(missing_ok=True)
        text = run(*FILES[:-1], service, "--out", "matrices/orders.yaml", "--old", "a:1", "--new", "a:2")
        assert expected in text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("services: {a: {image: b}}\n", r"is no manifest of Kubernetes: apiVersion and kind are missing"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", "has no Deployment or StatefulSet"),
        ("kind: [\n", "is not valid YAML"),
    ],
)
def test_other_files_are_refused(folder: Path, text: str, why: str) -> None:
    (folder / "other.yaml").write_text(text)
    with pytest.raises(BadInput, match=why):
        run("--from-kubernetes", "other.yaml", *FILES[3:], *IMAGES)


def test_documents_keep_the_lines_of_their_file(folder: Path) -> None:
    lines = APP.splitlines()
    found = load_all(folder / "app.yaml")
    assert len(found) == 5
    assert [lines[at.value["kind"].line - 1].partition(": ")[2] for at in found] == [
        at.value["kind"].value for at in found
    ]
