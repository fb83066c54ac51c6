"""Users of a Kinto: `python drive.py http://127.0.0.1:8888 [--host NAME]`, usually through a recorder."""

from __future__ import annotations

import argparse
import base64
import uuid
from collections.abc import Callable
from typing import Any

import httpx

SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"}, "status": {"enum": ["draft", "published"]}, "words": {"type": "integer"},
    },
    "required": ["title", "status"],
}  # fmt: skip
TEXTS = (("Rivers of the north", 1200), ("A short history of salt", 800), ("Winter bees", 640), ("On maps", 2100))


class User:
    """One user with a name and a password; every call names the status that is expected."""

    def __init__(self, client: httpx.Client, name: str, host: str | None, session: str = "") -> None:
        credentials = base64.b64encode(f"{name}:the passphrase of {name}".encode()).decode()
        self._client = client
        self._headers = {"Authorization": f"Basic {credentials}"} if name else {}
        self._headers |= {"Host": host} if host else {}
        self._headers |= {"X-Session": session} if session else {}

    def __call__(self, status: int, method: str, target: str, *, headers: Any = None, **content: Any) -> httpx.Response:
        answer = self._client.request(method, target, headers={**self._headers, **(headers or {})}, **content)
        assert answer.status_code == status, (method, target, answer.status_code, answer.text)
        return answer


def path_of(url: str) -> str:
    """Path and query of an address that Kinto gave."""
    return httpx.URL(url).raw_path.decode()


def editor(user: User) -> None:
    """Writes articles with ids of her own and of the server's, and reads them by condition, page and filter."""
    assert user(200, "GET", "/v1/").json()["user"]["id"].startswith("basicauth:")
    bucket = f"/v1/buckets/{uuid.uuid4()}"
    user(201, "PUT", bucket, json={"data": {"purpose": "magazine"}}, headers={"If-None-Match": "*"})
    user(412, "PUT", bucket, json={"data": {"purpose": "another"}}, headers={"If-None-Match": "*"})
    user(201, "PUT", f"{bucket}/collections/articles", json={"data": {"schema": SCHEMA}})
    articles = f"{bucket}/collections/articles/records"
    names = []
    for title, words in TEXTS:
        made = user(201, "POST", articles, json={"data": {"title": title, "words": words, "status": "draft"}})
        names.append(made.json()["data"]["id"])
    user(400, "POST", articles, json={"data": {"title": "No such state", "status": "lost"}})
    own = f"{articles}/{uuid.uuid4()}"
    text = {"title": "With a name of its own", "words": 10, "status": "draft"}
    etag = user(201, "PUT", own, json={"data": text}, headers={"If-None-Match": "*"}).headers["ETag"]
    user(304, "GET", own, headers={"If-None-Match": etag})
    newer = user(200, "PATCH", own, json={"data": {"status": "published"}}, headers={"If-Match": etag}).headers["ETag"]
    user(412, "PATCH", own, json={"data": {"status": "draft"}}, headers={"If-Match": etag})
    assert user(200, "GET", own, headers={"If-None-Match": etag}).headers["ETag"] == newer
    user(200, "PUT", own, json={"data": {**text, "words": 11, "status": "published"}}, headers={"If-Match": newer})
    _pages(user, articles, names)
    user(200, "DELETE", own, headers={"If-Match": user(200, "GET", own).headers["ETag"]})
    user(404, "GET", own)


def _pages(user: User, articles: str, names: list[str]) -> None:
    first = user(200, "GET", articles, params={"_sort": "-words", "_limit": "2"})
    assert [item["words"] for item in first.json()["data"]] == [2100, 1200]
    second = user(200, "GET", path_of(first.headers["Next-Page"]))
    assert [item["words"] for item in second.json()["data"]] == [800, 640]
    assert len(user(200, "GET", articles, params={"status": "draft"}).json()["data"]) == 4
    assert len(user(200, "GET", articles, params={"in_id": ",".join(names[:2])}).json()["data"]) == 2
    assert int(user(200, "HEAD", articles, params={"min_words": "700"}).headers["Total-Records"]) == 3
    known = user(200, "GET", articles)
    user(304, "GET", articles, headers={"If-None-Match": known.headers["ETag"]})
    user(200, "PATCH", f"{articles}/{names[2]}", json={"data": {"status": "published"}})
    user(200, "DELETE", f"{articles}/{names[3]}")
    changes = user(200, "GET", articles, params={"_since": known.headers["ETag"]}).json()["data"]
    assert {item["id"] for item in changes} == {names[2], names[3]}
    assert [item["id"] for item in changes if item.get("deleted")] == [names[3]]


def importer(user: User) -> None:
    """Sends many requests at once, ids inside their paths and bodies, and cleans up in the same way."""
    name = str(uuid.uuid4())
    records = f"/buckets/{name}/collections/readings/records"
    user(201, "PUT", f"/v1/buckets/{name}", json={"data": {"origin": "import"}})
    made = user(200, "POST", "/v1/batch", json={
        "requests": [
            {"method": "PUT", "path": f"/buckets/{name}/collections/readings"},
            {"method": "POST", "path": records, "body": {"data": {"sensor": "north", "level": 3}}},
            {"method": "PUT", "path": f"{records}/{uuid.uuid4()}", "body": {"data": {"sensor": "south", "level": 5}}},
        ]
    }).json()["responses"]  # fmt: skip
    assert [item["status"] for item in made] == [201] * 3, made
    north, south = (item["body"]["data"] for item in made[1:])
    levels = user(200, "POST", "/v1/batch", json={
        "defaults": {"method": "PATCH", "headers": {"Content-Type": "application/json"}},
        "requests": [
            {"path": f"{records}/{north['id']}", "body": {"data": {"level": 4, "previous": north["last_modified"]}},
             "headers": {"If-Match": f'"{north["last_modified"]}"'}},
            {"path": f"{records}/{south['id']}", "body": {"data": {"level": 6, "beside": north["id"]}}},
            {"path": f"{records}/{south['id']}", "body": {"data": {"level": 7}}, "headers": {"If-Match": '"1"'}},
        ],
    }).json()["responses"]  # fmt: skip
    assert [item["status"] for item in levels] == [200, 200, 412], levels
    shown = user(200, "GET", f"/v1{records}", params={"_sort": "sensor"}).json()["data"]
    assert [item["level"] for item in shown] == [4, 6]
    beside = user(200, "GET", f"/v1{records}/{shown[1]['beside']}").json()["data"]
    assert beside["id"] == north["id"]
    gone = user(200, "POST", "/v1/batch", json={
        "defaults": {"method": "DELETE"},
        "requests": [{"path": f"{records}/{name}"} for name in (north["id"], uuid.uuid4())],
    }).json()["responses"]  # fmt: skip
    assert [item["status"] for item in gone] == [200, 404], gone
    user(404, "GET", f"/v1{records}/{north['id']}")
    user(200, "GET", f"/v1{records}/{south['id']}")


def household(owner: User, guest: User, stranger: User) -> None:
    """Two users who share, and one who is not asked in: the owner lets the guest in by the id that Kinto gave her."""
    invited = guest(200, "GET", "/v1/").json()["user"]["id"]
    bucket = f"/v1/buckets/{uuid.uuid4()}"
    owner(201, "PUT", bucket, json={"data": {}})
    owner(201, "PUT", f"{bucket}/groups/readers", json={"data": {"members": [invited]}})
    name = bucket.rpartition("/")[2]
    lists = owner(
        201, "PUT", f"{bucket}/collections/shopping",
        json={"permissions": {"read": [f"/buckets/{name}/groups/readers"], "record:create": [invited]}},
    )  # fmt: skip
    assert lists.json()["permissions"]["record:create"] == [invited]
    records = f"{bucket}/collections/shopping/records"
    bread = owner(201, "POST", records, json={"data": {"item": "bread", "count": 2}}).json()["data"]
    milk = guest(201, "POST", records, json={"data": {"item": "milk"}}).json()["data"]
    assert {item["item"] for item in guest(200, "GET", records).json()["data"]} == {"bread", "milk"}
    guest(200, "PATCH", f"{records}/{milk['id']}", json={"data": {"count": 1}})
    guest(403, "PATCH", f"{records}/{bread['id']}", json={"data": {"count": 9}})
    stranger(401, "GET", records)
    owner(200, "PATCH", f"{records}/{bread['id']}", json={"permissions": {"write": [invited]}})
    guest(200, "PATCH", f"{records}/{bread['id']}", json={"data": {"count": 9}})
    assert owner(200, "GET", f"{records}/{bread['id']}").json()["data"]["count"] == 9
    owner(200, "DELETE", f"{bucket}/groups/readers")
    owner(404, "GET", f"{bucket}/groups/readers")


def tasks(user: User) -> None:
    """A small app that keeps everything in the user's own bucket, which Kinto makes by itself."""
    records = "/v1/buckets/default/collections/tasks/records"
    label = f"errands-{uuid.uuid4().hex[:12]}"
    made = [
        user(201, "POST", records, json={"data": {"task": task, "label": label, "done": False}}).json()["data"]
        for task in ("post the letter", "return the books")
    ]
    listed = user(200, "GET", records, params={"label": label, "_sort": "last_modified"}).json()["data"]
    assert [item["id"] for item in listed] == [item["id"] for item in made]
    user(200, "PATCH", f"{records}/{listed[0]['id']}", json={"data": {"done": True}})
    open_tasks = user(200, "GET", records, params={"label": label, "done": "false"}).json()["data"]
    assert [item["id"] for item in open_tasks] == [made[1]["id"]]
    user(200, "DELETE", records, params={"label": label, "done": "true"})
    user(404, "GET", f"{records}/{made[0]['id']}")
    user(200, "GET", f"{records}/{made[1]['id']}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--host", help="the name by which clients address Kinto")
    options = parser.parse_args()
    alone: tuple[tuple[str, Callable[[User], None]], ...] = (("edith", editor), ("ivan", importer), ("tara", tasks))
    for name, doing in alone:
        with httpx.Client(base_url=options.url, timeout=30, trust_env=False) as client:
            doing(User(client, name, options.host))
    with httpx.Client(base_url=options.url, timeout=30, trust_env=False) as client:
        session = str(uuid.uuid4())
        household(*(User(client, name, options.host, session) for name in ("olga", "gus", "")))


if __name__ == "__main__":
    main()
