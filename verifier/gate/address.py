"""Where the results store is: the URL of a database, and the same without its secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from verifier.errors import BadInput

VARIABLE = "VERIFIER_STORE"
DEFAULT = "sqlite:///.verifier/results.sqlite"
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_SECRET = re.compile(r"pass|secret|token|key", re.IGNORECASE)
MASK = "***"


def address(given: str | None) -> URL:
    """The URL of --store, of the environment variable, or of the file beside the run directories. Raises BadInput.

    No part of a URL that cannot be read is told, because it may hold a password.
    """
    origin = "--store" if given else VARIABLE
    text = given or os.environ.get(VARIABLE) or DEFAULT
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise BadInput.one(origin, "is no URL of a database, such as postgresql://user@host/results") from None
    backend, _, driver = url.drivername.partition("+")
    if backend not in _DRIVERS or driver not in ("", "psycopg", "pysqlite"):
        raise BadInput.one(origin, "must begin with sqlite:/// or postgresql://")
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadInput.one(origin, "names no file: nothing would be kept")
    return url.set(drivername=_DRIVERS[backend])


def shown(url: URL) -> str:
    """The URL without its password and without secrets in its query."""
    query = {name: MASK if _SECRET.search(name) else value for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True).replace(quote(MASK, safe=""), MASK)


def masked(text: str, url: URL) -> str:
    """A message of a driver without the secrets of the URL."""
    secrets = [value for name, value in url.query.items() if _SECRET.search(name) and isinstance(value, str)]
    for secret in filter(None, (url.password, *secrets)):
        text = text.replace(str(secret), MASK)
    return text


def sqlite_file(url: URL) -> Path | None:
    """The file of a store in SQLite."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
