"""Notices at once that the engine has gone: it ends a stream of events that otherwise never ends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import docker
from docker.types.daemon import CancellableStream

from verifier.errors import BrokenEnvironment
from verifier.runtime import engine
from verifier.runtime.labels import LABEL


def event_stream(client: docker.DockerClient, run_id: str) -> CancellableStream[Any]:
    """Events of what has the label of the run. Blocking. Raises BrokenEnvironment."""
    try:
        return client.api.events(filters={"label": f"{LABEL}={run_id}"})
    except engine.FAILURES as error:
        raise BrokenEnvironment(f"the container engine failed: {engine.reason(error)}") from None


class EngineEvents:
    """Listens until `close`. `gone` is called in the event loop if the stream ends before."""

    def __init__(self, stream: CancellableStream[Any], gone: Callable[[str], None]) -> None:
        self._gone = gone
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        threading.Thread(target=self._listen, name="engine-events", daemon=True).start()

    def _listen(self) -> None:
        why = "it ended the stream of its events"
        try:
            for _ in self._stream:
                pass
        except (*engine.FAILURES, ValueError) as error:  # ValueError: closed while it was read
            why = engine.reason(error)
        if not self._closed:
            with contextlib.suppress(RuntimeError):  # the loop is closed and nobody waits
                self._loop.call_soon_threadsafe(self._gone, f"the container engine has gone: {why}")

    def close(self) -> None:
        """Blocking. It is no error if the engine has gone."""
        self._closed = True
        with contextlib.suppress(*engine.FAILURES, AttributeError):
            self._stream.close()
