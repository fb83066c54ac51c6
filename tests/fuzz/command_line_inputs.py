"""What the fuzzer of the command line starts from: a matrix with all that it names, and a stored run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.cli.small_matrix import ENTRIES, HERE, MATRIX, recording
from tests.compose.test_compose_init import COMPOSE
from tests.compose.test_kubernetes_init import APP, REST
from tests.recording.planted_secrets import planted
from tests.report import report_values as values
from verifier.history.store import HistoryWriter, write_value
from verifier.recording.har import HarWriter
from verifier.rehearsal.run_directory import Inputs, KeptContract

ROOT = Path(__file__).resolve().parents[2]
_CONTRACT = """\
openapi: 3.1.0
info: {title: words, version: "1"}
paths:
  /words/{name}:
    parameters: [{name: name, in: path, required: true, schema: {type: string, maxLength: 64}}]
    get:
      operationId: read
      responses: {"200": {$ref: "#/components/responses/Word"}}
    put:
      operationId: write
      requestBody: {content: {application/json: {schema: {type: object, properties: {text: {enum: [yes, no]}}}}}}
      responses: {"200": {$ref: "#/components/responses/Word"}}
components:
  responses:
    Word: {description: word, content: {application/json: {schema: {$ref: "#/components/schemas/Word"}}}}
  schemas:
    Word:
      type: object
      required: [name]
      properties: {name: {type: string}, text: {$ref: "#/components/schemas/Text"}}
    Text: {type: string, pattern: "^[a-z]+$"}
"""
_GUARANTEES = """\
service: words
operations:
  write:
    idempotent: {key: $request.header.Idempotency-Key, same: ["$response.body#/name"]}
    writes: $response.body#/name
    effects: [{partner: psp, operation: charge, key: $request.body#/text, times: exactly-once}]
    completes: {accepted: 202, poll: $response.header.Location, state: $response.body#/text, final: [done], within: 5s}
  read:
    freshness: {class: read-your-writes, resource: $request.path.name}
assumes:
  psp.charge: {idempotent: true}
"""


_SHOP = """\
matrix: shop
services:
  orders:
    port: 8080
    replicas: 3
    ready: {tcp: true, within: 20s}
    directory: .
    after: [payments]
    versions:
      "1": {image: "shop/orders:1", migrate: {expand: [./up, a], contract: [./drop]}}
      "2": {image: "shop/orders:2", migrate: {expand: [./up, b], migrate: [./fill], contract: [./drop], undo: [./down]}}
      "3": {image: "shop/orders:3"}
  payments: {port: 80, versions: {"1": {image: "shop/payments:1"}, "2": {image: "shop/payments:2"}}}
  worker: {kind: worker, ready: {log: ready}, after: [orders], versions: {"1": {image: a}, "2": {image: b}}}
stores: {db: {image: "postgres:15", environment: {POSTGRES_PASSWORD: a}}}
rollout: {strategy: rolling, rolling: {maxSurge: 1, maxUnavailable: 25%}, order: any, cover: transitions, paths: 6}
traffic: [{recording: words.har, client: "1", service: orders}]
faults: all
try: [contract-early, new-before-expand]
pairs: [["1", "2"], ["1", "3"]]
replay: {pace: compressed, strength: 3, retry: {attempts: 2, statuses: [500]}, live: {sessions: 2, rate: 100}}
"""
_NEW = """\
services:
  orders: {image: "shop/orders:2.0", environment: {ADDED: "1"}, command: [uvicorn, "app:app", --port, "8080"]}
"""
SECRETS = 80  # exchanges with secrets, of all that are planted


def write_inputs(folder: Path) -> None:
    """A matrix of two versions with contracts, guarantees, a partner, a store, rules and recordings of every format.

    A larger one, which is only planned, has everything that concerns several services. Compose files and a recording
    with secrets stand beside them.
    """
    text = MATRIX.replace("DIRECTORY", str(HERE)).replace("FOLDER", str(folder / "kept"))
    for version in "12":
        text = text.replace(f'"{version}": {{', f'"{version}": {{contract: "{version}.yaml", ')
        contract = _CONTRACT.replace('version: "1"', f'version: "{version}"').replace("64", str(64 // int(version)))
        (folder / f"{version}.yaml").write_text(contract)
    more = "partners:\n  psp: {contract: psp.yaml, delay: 1ms}\nstores:\n  db: {process: sqlite, seed: seed.sql}\n"
    text = text.replace("rollout:", f"{more}rollout:").replace("faults: none", "faults: [duplicate-at-once, reset]")
    rules = "include: [/words/*], rules: {keep: [$request.header.Host], fresh: [], flows: []}"
    (folder / "words.yaml").write_text(text.replace('client: "1"', f'client: "1", {rules}'))
    (folder / "jsonl.yaml").write_text(text.replace("words.har", "words.jsonl"))
    (folder / "gor.yaml").write_text(text.replace("words.har", "words.gor"))
    (folder / "psp.yaml").write_text(_CONTRACT.replace("operationId: write", "operationId: charge"))
    (folder / "guarantees.yaml").write_text(_GUARANTEES)
    (folder / "seed.sql").write_text("create table a (b text);\n")
    (folder / "words.har").write_text(recording(ENTRIES))
    lines, payloads = [], []
    for number, entry in enumerate(ENTRIES, 1):
        sent, received = entry["request"], entry["response"]
        body = sent.get("postData", {}).get("text", "")
        headers = {item["name"]: item["value"] for item in sent["headers"]}
        path = sent["url"].removeprefix("http://words:8000")
        answer = received["content"]["text"]
        lines.append({
            "at": entry["startedDateTime"], "took": 0.1, "session": "s", "host": "words:8000",
            "request": {"method": sent["method"], "target": path, "headers": headers, "body": body},
            "response": {"status": 200, "headers": [["Content-Type", "application/json"]], "body": answer},
        })  # fmt: skip
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        time = 1_767_000_000_000_000_000 + number
        payloads.append(
            f"1 {number} {time}\n{sent['method']} {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        payloads.append(f"2 {number} {time} 10\nHTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n{answer}")
    (folder / "words.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    (folder / "words.gor").write_text("\n🐵🙈🙉\n".join(payloads) + "\n🐵🙈🙉\n")
    (folder / "shop.yaml").write_text(_SHOP)
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / "new.yaml").write_text(_NEW)
    (folder / "app.yaml").write_text(APP)
    (folder / "rest.yaml").write_text(REST)
    (folder / "orders.env").write_text("FROM_FILE=1\nQUOTED='a b'\nREFERS=${FROM_FILE:-x}\n")
    (folder / "init.sql").write_text("create table t (a int);\n")
    (folder / "payments").mkdir()
    (folder / "payments" / "Dockerfile").write_text("FROM scratch\n")
    with HarWriter(folder / "secrets.har", redact=None, began=1767323045.0) as writer:
        exchanges = planted().exchanges
        for exchange in exchanges[:: len(exchanges) // SECRETS]:
            writer.add(exchange, "s")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")


def write_run(folder: Path) -> None:
    """A stored run of the shop with the contracts of its versions."""
    history = values.history()
    writer = HistoryWriter(folder, history.run)
    for record in (*history.operations, *history.steps, *history.replicas, *history.notes):
        writer.add(record)
    writer.close()
    write_value(folder / "plan.json", values.plan())
    kept = []
    for service, versions in (("orders", ("1.4", "2.1")), ("payments", ("1.2",))):
        shutil.copytree(ROOT / "contracts" / service, folder / "inputs" / "contracts" / service)
        kept += [KeptContract(service, name, f"inputs/contracts/{service}/{name}.yaml") for name in versions]
    write_value(folder / "inputs.json", Inputs("m.yaml", tuple(kept)))
    write_value(folder / "timing.json", values.TIMING)
