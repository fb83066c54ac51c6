"""Asks a replica over HTTP whether it is ready. The only probe with a client, so that plans import none."""

from __future__ import annotations

import httpx

from verifier.runtime.base import Address

_ATTEMPT = 2.0  # seconds


async def http_answers(client: httpx.AsyncClient, address: Address, path: str) -> bool | str:
    """True if `GET path` returns 2xx, otherwise what came instead."""
    path = f"/{path.lstrip('/')}"
    try:
        answer = await client.get(f"http://{address.host}:{address.port}{path}", timeout=_ATTEMPT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"GET {path} got no answer ({str(error) or type(error).__name__})"
    return answer.is_success or f"GET {path} was answered {answer.status_code}"
