"""What both services share on the wire: JSON in and out, problems, health, start and graceful stop."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shop.store import DATABASE_ERRORS, Store

THREADS = 12  # and so at most this many connections to the database per replica, besides the workers'
LONGEST_TEXT = 200
log = logging.getLogger("uvicorn.error")


class Problem(Exception):
    """An answer other than success, as application/problem+json (RFC 9457)."""

    def __init__(self, status: int, title: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.headers = dict(headers or {})


def problem_answer(status: int, title: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {"title": title, "status": status}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


async def json_object(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise Problem(422, "the body must be a JSON object")
    return value


def text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT or not _storable(value):
        raise Problem(422, f"{name} must be text of 1 to {LONGEST_TEXT} characters")
    return value


def cents(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows no whole numbers: 5.0 is one to JSON Schema, and so to the contract
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000_000:
        raise Problem(422, f"{name} must be a whole number of cents from 1 to 100000000")
    return value


def idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= LONGEST_TEXT:
        raise Problem(400, f"Idempotency-Key must be given, with 1 to {LONGEST_TEXT} characters")
    return key


def _storable(value: str) -> bool:
    try:
        return "\0" not in value and bool(value.encode())
    except UnicodeEncodeError:
        return False


def application(
    store: Store, service: str, release: str, routes: Iterable[BaseRoute], background: AbstractContextManager[Any]
) -> Starlette:
    """A service: its routes, /healthz, problems as answers; `background` lives as long as the service does."""

    async def healthz(_: Request) -> Response:
        try:
            await run_in_threadpool(store.read, "SELECT 1")
        except DATABASE_ERRORS:
            return problem_answer(503, "the database does not answer")
        return JSONResponse({"status": "ok", "service": service, "release": release})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        await run_in_threadpool(background.__enter__)
        try:
            yield
        finally:
            await run_in_threadpool(background.__exit__, None, None, None)
            store.close()

    return Starlette(
        routes=[Route("/healthz", healthz), *routes],
        lifespan=lifespan,
        exception_handlers={Problem: _told, HTTPException: _refused},
        middleware=[Middleware(Unbroken)],
    )


class Unbroken:
    """Answers 500 for whatever a request raised, and keeps the connection for the client's next one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if started or scope["type"] != "http":
                raise
            log.exception("%s %s", scope["method"], scope["path"])
            await problem_answer(500, "something went wrong here")(scope, receive, send)


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_answer(error.status, error.title, error.headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_answer(error.status_code, error.detail, error.headers)


def main(service: str, releases: Iterable[str], build: Callable[[str], Starlette]) -> None:
    """The command line of a service. Serves until SIGTERM, then lets the requests under way finish."""
    parser = argparse.ArgumentParser(prog=f"shop.{service}")
    parser.add_argument("--release", required=True, choices=sorted(releases))
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    options = parser.parse_args()
    # uvicorn stops on SIGTERM by itself and then raises it again: a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        build(options.release),
        host=options.host,
        port=options.port,
        # Longer than any client keeps an idle connection, so that none is closed under a request.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
