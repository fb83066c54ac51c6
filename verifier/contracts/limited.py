"""Asks jsonschema-rs in a child process when the question may take it very long.

It has no time limit of its own, and nothing interrupts it: 100,000 characters of a regular expression, or a product of
alternatives, take it minutes and gigabytes. So the child has bounded CPU time and memory, and all questions together
may lose a bounded time.
"""

from __future__ import annotations

import json
import math
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SECONDS = 1.0  # CPU time of one question
_PATIENCE = 5  # how much longer a question may take when others use the machine
_LOST = 3.0  # CPU time of all questions that were given up
_MEMORY = 1 << 29  # bytes beyond those of the parent


class _Account:
    lost = 0.0


def renew() -> None:
    """Begin anew to count the time that is lost to questions without an answer."""
    _Account.lost = 0.0


def answered(question: Callable[[], Any]) -> Any:
    """What a question returns, as JSON can hold it; None if it raises, crashes, or takes too long."""
    seconds = min(_SECONDS, _LOST - _Account.lost)
    if seconds <= 0:
        return None
    text = _asked(question, seconds)
    if text is None:
        _Account.lost += seconds
        return None
    return json.loads(text)


def _asked(question: Callable[[], Any], seconds: float) -> bytes | None:
    """The JSON text that a child writes and ends; None if it does not come."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(question, seconds, writing)
    os.close(writing)
    until = time.monotonic() + seconds * _PATIENCE
    text = b""
    try:
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([reading], [], [], max(0.0, until - time.monotonic()))
            if not ready or not (chunk := os.read(reading, 1 << 16)):
                return None
            text += chunk
        return text
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)


def _child(question: Callable[[], Any], seconds: float, writing: int) -> None:
    try:
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        _limit(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds))
        if (size := _size()) > 0:
            _limit(resource.RLIMIT_AS, size + _MEMORY)
        _limit(resource.RLIMIT_CORE, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where it would say that it has no memory
        text = json.dumps(question()).encode() + b"\n"
        while text:
            text = text[os.write(writing, text) :]
    finally:
        os._exit(0)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _size() -> int:
    """Bytes of address space that this process has; 0 if the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
