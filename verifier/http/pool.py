"""The connections that a client keeps for later requests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Hashable

from verifier.http.connection import Connection
from verifier.http.encode import Blocks
from verifier.http.h2 import Http2Connection
from verifier.http.state import IDLE

_BUSY = 500e-6  # seconds of idleness below which a connection is taken without asking the kernel about it
_SWEEP_AT = 256  # pools

PoolKey = tuple[str, int, Hashable, ssl.SSLContext | None]  # host, port, the caller's key, TLS


class Pool:
    """Idle connections to one address under one key, the last used at the end; with HTTP/2, the one in use."""

    __slots__ = ("authority", "blocks", "connecting", "host", "http2", "idle", "kept", "port", "tls")

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.authority = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()
        self.blocks: Blocks = {}
        self.idle: list[Connection] = []
        self.http2: Http2Connection | None = None
        self.connecting = asyncio.Lock()
        self.kept = True  # false once the address is forgotten: connections that come back are closed

    def takes_back(self, conn: Connection) -> bool:
        """Keep the connection for another request if it can carry one, and say whether it was kept."""
        if not (conn.state is IDLE and self.kept):
            return False
        conn.idle_since = conn.answered
        self.idle.append(conn)
        return True

    def unused_since(self, time: float) -> bool:
        """Whether nothing here was used since that time."""
        if self.http2 is not None and (self.http2.busy() or self.http2.idle_since >= time):
            return False
        return all(conn.idle_since < time for conn in self.idle)


class ConnectionPools:
    """All pools of one client, and all its open connections.

    A connection idle for longer than `idle_limit` seconds by `clock` is not used again.
    """

    def __init__(self, clock: Callable[[], float], idle_limit: float) -> None:
        self._clock = clock
        self._idle_limit = idle_limit
        self._pools: dict[PoolKey, Pool] = {}
        self._open: set[Connection | Http2Connection] = set()
        self._sweep_at = _SWEEP_AT

    def get(self, key: PoolKey) -> Pool:
        """The pool of a key, made if there is none."""
        return self._pools.get(key) or self._new_pool(key)

    def add(self, conn: Connection | Http2Connection) -> None:
        """A connection was opened."""
        self._open.add(conn)

    def take(self, pool: Pool, now: float) -> Connection | None:
        """An idle connection that can carry another request, removed from the pool."""
        idle = pool.idle
        while idle:
            conn = idle.pop()
            if self.reusable(conn, now):
                return conn
            self.drop(conn)
        return None

    def reusable(self, conn: Connection, now: float) -> bool:
        """Whether a connection that is in no pool may carry another request."""
        age = now - conn.idle_since
        return conn.state is IDLE and (age < _BUSY or (age <= self._idle_limit and not conn.stale()))

    def give_back(self, pool: Pool, conn: Connection) -> None:
        """Keep a connection whose request has ended, or close it."""
        if not pool.takes_back(conn):
            self.drop(conn)

    def drop(self, conn: Connection | Http2Connection) -> None:
        """Close a connection."""
        self._open.discard(conn)
        conn.shut()

    def oldest_trusted(self) -> float:
        """The time since which a connection must have been used to be used again."""
        return self._clock() - self._idle_limit

    def forget(self, host: str, port: int) -> None:
        """Close the idle connections to an address, and those in use once they come back."""
        for key in [key for key in self._pools if key[0] == host and key[1] == port]:
            self._close_pool(self._pools.pop(key))

    async def close(self) -> None:
        """Close every connection. Requests under way end as "closed"."""
        self._pools.clear()
        for conn in tuple(self._open):
            self.drop(conn)
        await asyncio.sleep(0)

    def _new_pool(self, key: PoolKey) -> Pool:
        """There may be many keys, one for each session, so pools that are too old to be used are removed at times."""
        if len(self._pools) >= self._sweep_at:
            oldest = self.oldest_trusted()
            for old in [old for old, pool in self._pools.items() if pool.unused_since(oldest)]:
                self._close_pool(self._pools.pop(old))
            self._sweep_at = max(_SWEEP_AT, 2 * len(self._pools))
        pool = self._pools[key] = Pool(key[0], key[1], key[3])
        return pool

    def _close_pool(self, pool: Pool) -> None:
        pool.kept = False
        for conn in pool.idle:
            self.drop(conn)
        if pool.http2 is not None and not pool.http2.busy():
            self.drop(pool.http2)
