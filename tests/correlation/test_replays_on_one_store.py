"""One recording, replayed fifty times on a store that keeps everything: nothing unmatched, nothing different.

The store has the habits of a REST storage service such as Kinto: ids that the client chose or the server made,
entity tags that count milliseconds, conditional requests, lists with pages behind a token, basic credentials.
"""

from __future__ import annotations

import base64
import json
import random
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.correlation.building import BEGAN, answer, playing, request
from verifier.correlation import Script, learn
from verifier.http.message import Headers, Request, Response, header
from verifier.recording.model import Exchange, Session


@dataclass
class Store:
    """Objects by path, each with its time of last change; a clock that never gives the same time twice."""

    draw: random.Random
    now: int = 1_767_323_045_123
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, sent: Request) -> Response:
        if not (header(sent.headers, "authorization") or "").startswith("Basic "):
            return answer(401, {"code": 401})
        parts = urlsplit(sent.target)
        path = parts.path.removeprefix("/v1")
        if len(path.strip("/").split("/")) % 2:
            return self._collection(sent, path, {name: found[0] for name, found in parse_qs(parts.query).items()})
        return self._object(sent, path)

    def tick(self) -> int:
        self.now += self.draw.randrange(1, 5000)
        return self.now

    def _save(self, path: str, data: dict[str, Any], status: int) -> Response:
        saved = {**data, "id": path.rsplit("/", 1)[1], "last_modified": self.tick()}
        self.objects[path] = saved
        return answer(status, {"data": saved, "permissions": {"write": ["basicauth:abc"]}}, self._tag(saved))

    def _tag(self, saved: dict[str, Any]) -> Headers:
        return (("ETag", f'"{saved["last_modified"]}"'), ("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT"))

    def _object(self, sent: Request, path: str) -> Response:
        known = self.objects.get(path)
        tag = f'"{known["last_modified"]}"' if known else None
        if header(sent.headers, "if-none-match") == "*" and known:
            return answer(412, {"code": 412})
        if (wanted := header(sent.headers, "if-match")) and wanted != tag:
            return answer(412, {"code": 412})
        if sent.method == "PUT":
            return self._save(path, json.loads(sent.body)["data"], 200 if known else 201)
        if known is None:
            return answer(404, {"code": 404})
        if sent.method == "PATCH":
            return self._save(path, {**known, **json.loads(sent.body)["data"]}, 200)
        if sent.method == "DELETE":
            del self.objects[path]
            return answer(200, {"data": {"id": known["id"], "deleted": True, "last_modified": self.tick()}})
        if header(sent.headers, "if-none-match") == tag:
            return answer(304)
        return answer(200, {"data": known}, self._tag(known))

    def _collection(self, sent: Request, path: str, query: dict[str, str]) -> Response:
        if sent.method == "POST":
            data = json.loads(sent.body)["data"]
            name = data.get("id") or str(uuid.UUID(int=self.draw.getrandbits(128), version=4))
            return self._save(f"{path}/{name}", data, 200 if f"{path}/{name}" in self.objects else 201)
        found = [value for name, value in self.objects.items() if name.rpartition("/")[0] == path]
        found.sort(key=lambda value: -value["last_modified"])
        if "_since" in query:
            found = [value for value in found if value["last_modified"] > int(query["_since"].strip('"'))]
        start = json.loads(base64.urlsafe_b64decode(query["_token"]))["after"] if "_token" in query else None
        found = [value for value in found if start is None or value["last_modified"] < start]
        headers: Headers = (("Total-Records", str(len(found))),)
        if "_limit" in query and len(found) > (limit := int(query["_limit"])):
            token = base64.urlsafe_b64encode(json.dumps({"after": found[limit - 1]["last_modified"]}).encode()).decode()
            headers = (
                *headers,
                ("Next-Page", f"http://shop:8080{urlsplit(sent.target).path}?_limit={limit}&_token={quote(token)}"),
            )
            found = found[:limit]
        return answer(200, {"data": found}, headers)


USER: Headers = (("Authorization", "Basic " + base64.b64encode(b"alice:s3cret").decode()), ("User-Agent", "test/1.0"))


def recorded(store: Store) -> Session:
    """A client's session as it would be recorded: each request is built from the answers so far."""
    exchanges: list[Exchange] = []

    def send(method: str, target: str, body: Any = None, headers: Headers = ()) -> Any:
        sent = request(method, target, body, (*USER, *headers))
        got = store.answer(sent)
        exchanges.append(Exchange(sent, got, "shop:8080", len(exchanges) * 0.2, 0.01, len(exchanges) + 1))
        return got, (json.loads(got.body) if got.body else None)

    def tag(got: Response) -> str:
        return header(got.headers, "etag") or ""

    send("GET", "/v1/buckets/blog")
    send("PUT", "/v1/buckets/blog", {"data": {}}, (("If-None-Match", "*"),))
    send("PUT", "/v1/buckets/blog/collections/articles", {"data": {"schema": {"type": "object"}}})
    records = "/v1/buckets/blog/collections/articles/records"
    created, made = send("POST", records, {"data": {"title": "first", "status": "draft", "count": 1}})
    one = f"{records}/{made['data']['id']}"
    send("GET", one)
    send("GET", one, headers=(("If-None-Match", tag(created)),))
    changed, _ = send("PATCH", one, {"data": {"status": "published"}}, (("If-Match", tag(created)),))
    send("PATCH", one, {"data": {"status": "late"}}, (("If-Match", tag(created)),))
    _, second = send("POST", records, {"data": {"title": "second", "status": "draft", "count": 1}})
    client_id = "3e4a7d92-8f65-4b1c-9d0e-5a6b7c8d9e0f"
    send("PUT", f"{records}/{client_id}", {"data": {"title": "third", "parent": second["data"]["id"]}})
    page, _ = send("GET", f"{records}?_limit=2")
    following = urlsplit(header(page.headers, "next-page") or "")
    send("GET", f"{following.path}?{following.query}")
    send("GET", f"{records}?_since=%22{made['data']['last_modified']}%22")
    send("GET", f"{records}?_since={second['data']['last_modified']}")
    send("POST", "/v1/buckets", {"data": {"id": "spare"}})
    send("DELETE", f"{records}/{client_id}")
    send("GET", f"{records}/{client_id}")
    send("DELETE", one, headers=(("If-Match", tag(changed)),))
    return Session("alice", tuple(exchanges))


def shape(value: Any) -> Any:
    """Names and types, and the values of what a client understands."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return value if isinstance(value, str) and value.isalpha() else type(value).__name__


def seen(got: Response) -> Any:
    return got.status, shape(json.loads(got.body)) if got.body else None, sorted(name for name, _ in got.headers)


def one_replay(script: Script, store: Store, seed: int, spoil: int = -1) -> tuple[list[Any], list[Any]]:
    player = playing(script, str(seed), BEGAN + 3600.0 * seed)
    results = []
    for index in range(len(script.steps)):
        got = store.answer(player.request(index))
        results.append(seen(got))
        if index != spoil:
            player.learn(index, got)
    return results, player.notes


def test_fifty_replays_on_one_store() -> None:
    store = Store(random.Random(1))
    session = recorded(store)
    script = learn(session, began=BEGAN)
    wanted = [seen(step.exchange.response) for step in script.steps]
    assert {status for status, _, _ in wanted} == {200, 201, 304, 404, 412}
    for seed in range(50):
        results, notes = one_replay(script, store, seed)
        assert notes == []
        # Names that the client chose differ between replays; all else is as recorded.
        assert json.loads(json.dumps(results).replace("str", "blog")) is not None
        assert [status for status, _, _ in results] == [status for status, _, _ in wanted], seed
        assert [headers for *_, headers in results] == [headers for *_, headers in wanted]
        assert [_types(body) for _, body, _ in results] == [_types(body) for _, body, _ in wanted]


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _types(inner) for name, inner in value.items() if name != "id"}
    if isinstance(value, list):
        return [_types(inner) for inner in value]
    return value


def test_a_lost_answer_is_noted_and_not_silently_stale() -> None:
    store = Store(random.Random(1))
    script = learn(recorded(store), began=BEGAN)
    _, notes = one_replay(script, store, 1, spoil=3)
    assert notes
    assert {kind for _, kind, _ in notes} == {"unmatched"}


def test_names_of_operations() -> None:
    script = learn(recorded(Store(random.Random(1))), began=BEGAN)
    assert [step.name for step in script.steps][:5] == [
        "GET /v1/buckets/{}",
        "PUT /v1/buckets/{}",
        "PUT /v1/buckets/{}/collections/{}",
        "POST /v1/buckets/{}/collections/{}/records",
        "GET /v1/buckets/{}/collections/{}/records/{}",
    ]
