"""The users whose traffic was recorded, one function for each service; each is given the service's address."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import httpx

SITE_PASSWORD = "correct horse battery"  # of the site's superuser; it is made for each rehearsal
CALENDAR_PASSWORDS = {"annika": "a password of hers", "benno": "a password of his"}  # Radicale takes any
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class User:
    """One user with a client, and so a connection, of her own. Each call names the status that is expected."""

    def __init__(self, url: str, **settings: Any) -> None:
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False, **settings)

    def __enter__(self) -> User:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def __call__(self, status: int, method: str, target: str, **content: Any) -> httpx.Response:
        response = self._client.request(method, target, **content)
        assert response.status_code == status, (method, target, response.status_code, response.text)
        return response


def site(url: str) -> None:
    """Logs in to Django's admin, keeps groups with its forms, and logs out; somebody else does not get in."""
    with User(url) as stranger:
        stranger(302, "GET", "/admin/")
        assert "Log in" in stranger(200, "GET", "/admin/login/", params={"next": "/admin/"}).text
    with User(url) as user:
        form = {"username": "root", "password": SITE_PASSWORD, "next": "/admin/"}
        user(302, "POST", "/admin/login/", data=_form(user, "/admin/login/", **form))
        assert "Log out" in user(200, "GET", "/admin/").text
        name = f"editors-{uuid.uuid4().hex[:8]}"
        added = "/admin/auth/group/add/"
        form = {"name": name, "permissions": ["1", "2"], "_continue": "Save and continue editing"}
        group = user(302, "POST", added, data=_form(user, added, **form)).headers["Location"]
        assert "was added successfully" in user(200, "GET", group).text
        form = {"name": f"{name}-all", "permissions": ["1", "2", "3"], "_save": "Save"}
        user(302, "POST", group, data=_form(user, group, **form))
        assert f"{name}-all" in user(200, "GET", "/admin/auth/group/", params={"q": name}).text
        assert f"{name}-all" in user(200, "GET", group).text
        removed = group.replace("change", "delete")
        user(302, "POST", removed, data=_form(user, removed, post="yes"))
        user(302, "GET", group)
        user(200, "POST", "/admin/logout/", data=_form(user, "/admin/"))
        user(302, "GET", "/admin/")


def _form(user: User, page: str, **fields: Any) -> dict[str, Any]:
    """The fields of a form with the token of its page."""
    found = _TOKEN.search(user(200, "GET", page).text)
    assert found is not None, page
    return {"csrfmiddlewaretoken": found[1], **fields}


def tasks(url: str) -> None:
    """Two users give Celery work, some of it for a moment later, and ask until it is done."""
    for numbers, delay in (((3, 4), 0), ((5, 6, 7), 0.5)):
        with User(url) as user:
            task = user(200, "POST", "/api/task/async-apply/celery.accumulate", json={"args": numbers}).json()
            assert _result(user, task["task-id"]) == list(numbers)
            form = {"args": [*numbers, str(uuid.uuid4())], "countdown": delay}
            later = user(200, "POST", "/api/task/async-apply/celery.accumulate", json=form).json()
            assert _result(user, later["task-id"]) == form["args"]
            user(404, "POST", "/api/task/async-apply/no.such.task", json={"args": []})


def _result(user: User, task: str) -> Any:
    while (shown := user(200, "GET", f"/api/task/result/{task}").json())["state"] != "SUCCESS":
        time.sleep(0.1)
    return shown["result"]


def calendars(url: str) -> None:
    """Two owners of calendars and contacts: they make, list, change and remove entries, and see only their own."""
    for name, password in CALENDAR_PASSWORDS.items():
        with User(url, auth=(name, password)) as user:
            _calendar(user, name)


def _calendar(user: User, name: str) -> None:
    user(207, "PROPFIND", f"/{name}/", headers={"Depth": "0"})
    calendar = f"/{name}/{uuid.uuid4()}/"
    user(201, "MKCALENDAR", calendar)
    event = f"{calendar}{uuid.uuid4()}.ics"
    entry = _event(str(uuid.uuid4()), "Choir practice")
    kind = {"Content-Type": "text/calendar; charset=utf-8"}
    etag = user(201, "PUT", event, content=entry, headers={**kind, "If-None-Match": "*"}).headers["ETag"]
    user(412, "PUT", event, content=entry, headers={**kind, "If-None-Match": "*"})
    assert "Choir practice" in user(200, "GET", event).text
    changed = entry.replace("Choir practice", "Choir concert")
    newer = user(204, "PUT", event, content=changed, headers={**kind, "If-Match": etag}).headers["ETag"]
    user(412, "PUT", event, content=entry, headers={**kind, "If-Match": etag})
    listed = user(207, "PROPFIND", calendar, headers={"Depth": "1"}, content=_PROPERTIES)
    assert [path for path in _paths(listed) if path.endswith(".ics")] == [event]
    found = user(207, "REPORT", calendar, headers={"Depth": "1"}, content=_QUERY)
    assert "Choir concert" in found.text
    user(200, "DELETE", event, headers={"If-Match": newer})
    user(404, "GET", event)
    stranger = "/somebody/else.ics"
    user(404, "GET", stranger)


def _event(uid: str, summary: str) -> str:
    lines = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//users//EN", "BEGIN:VEVENT", f"UID:{uid}",
             "DTSTAMP:20260105T090000Z", "DTSTART:20260112T180000Z", "DTEND:20260112T200000Z", f"SUMMARY:{summary}",
             "END:VEVENT", "END:VCALENDAR")  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines)


def _paths(response: httpx.Response) -> list[str]:
    return [item.text or "" for item in ElementTree.fromstring(response.text).iter("{DAV:}href")]


_PROPERTIES = '<propfind xmlns="DAV:"><prop><getetag/><resourcetype/></prop></propfind>'
_QUERY = (
    '<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/><C:calendar-data/></prop>'
    '<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>'
    "</C:calendar-query>"
)


def alerts(url: str) -> None:
    """A monitor raises an alert, raises it again and worse; a person takes it, notes something and closes it."""
    for service in ("web", "mail"):
        with User(url) as user:
            _alert(user, service)


def _alert(user: User, service: str) -> None:
    raised = {
        "resource": f"host-{uuid.uuid4()}", "event": "DiskFull", "environment": "Production", "severity": "minor",
        "service": [service], "text": "the disk is filling up", "value": "91%",
    }  # fmt: skip
    made = user(201, "POST", "/alert", json=raised).json()
    path = f"/alert/{made['id']}"
    again = user(201, "POST", "/alert", json=raised).json()
    assert (again["id"], again["alert"]["duplicateCount"]) == (made["id"], 1)
    worse = user(201, "POST", "/alert", json={**raised, "severity": "critical", "value": "99%"}).json()
    assert (worse["id"], worse["alert"]["previousSeverity"]) == (made["id"], "minor")
    user(200, "PUT", f"{path}/status", json={"status": "ack", "text": "looking at it"})
    user(201, "PUT", f"{path}/note", json={"text": "logs were not rotated"})
    shown = user(200, "GET", path).json()["alert"]
    assert (shown["status"], shown["severity"]) == ("ack", "critical")
    assert len(user(200, "GET", "/alerts", params={"resource": raised["resource"]}).json()["alerts"]) == 1
    assert len(user(200, "GET", f"{path}/notes").json()["notes"]) == 1
    user(200, "PUT", f"{path}/action", json={"action": "close", "text": "freed"})
    assert user(200, "GET", path).json()["alert"]["status"] == "closed"
    user(400, "POST", "/alert", json={"resource": raised["resource"]})
    user(200, "DELETE", path)
    user(404, "GET", path)


USERS: dict[str, Callable[[str], None]] = {
    "alerta": alerts, "celery": tasks, "django": site, "radicale": calendars,
}  # fmt: skip
