"""A small process that outlives the verifier and cleans up after it: `python -m verifier.runtime.watcher`.

It holds the reading end of a pipe. However the verifier ends, even by SIGKILL, the kernel closes the other end, but not
before every child that was being forked at that moment runs its own program, with the mark of the run in its
environment. Lines in the pipe: `session PID STARTED`, `forget PID`, `ping`, which it answers with READY, and `done`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence

from verifier.runtime.identity import ProcessIdentity
from verifier.runtime.leftovers import Leftover, kill_processes, remove_folder, until_quiet

READY = b"ready\n"

# The engine may finish creating a container or a network seconds after its client is gone.
_QUIET_ENGINE = 6.0
_QUIET_PROCESSES = 0.5
_LIMIT = 300.0
_CHECK_OWNER = 1.0


class LifelinePipe:
    """The messages of the verifier. `listen` returns True after a clean end, False if the verifier is gone."""

    def __init__(self, descriptor: int, owner: ProcessIdentity) -> None:
        self._descriptor = descriptor
        self._owner = owner
        self.sessions: dict[int, str] = {}

    def listen(self) -> bool:
        rest = b""
        while True:
            readable, _, _ = select.select([self._descriptor], [], [], _CHECK_OWNER)
            if not readable:
                # The pipe alone is not enough: a fork of the verifier that never runs a program would keep it open.
                if self._owner.alive() is False:
                    return False
                continue
            chunk = os.read(self._descriptor, 65536)
            if not chunk:
                return False
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line == b"done":
                    return True
                if line == b"ping":
                    with contextlib.suppress(OSError):
                        os.write(1, READY)
                self._note(line.decode("ascii", "replace").split())

    def _note(self, words: list[str]) -> None:
        if len(words) == 3 and words[0] == "session" and words[1].isdecimal():
            self.sessions[int(words[1])] = words[2]
        elif len(words) == 2 and words[0] == "forget" and words[1].isdecimal():
            self.sessions.pop(int(words[1]), None)


def clean(run: str, sessions: dict[int, str], engine: bool) -> list[Leftover]:
    """Remove everything of the run until nothing new appears."""
    scans: list[Callable[[], Sequence[Leftover]]] = [lambda: kill_processes(run, sessions)]
    removed = until_quiet(scans, _QUIET_PROCESSES, _LIMIT)
    if engine:
        removed += until_quiet([*scans, lambda: _sweep_engine(run)], _QUIET_ENGINE, _LIMIT)
    return removed + remove_folder(run)


def _sweep_engine(run: str) -> Sequence[Leftover]:
    from verifier.runtime import engine

    try:
        with engine.connected() as client:
            return engine.sweep(client, run)
    except Exception as error:  # such as a restarting engine; the next scan tries again
        print(f"the engine did not answer: {error}", file=sys.stderr, flush=True)
        return [Leftover(run, "container", "", "(not known: the engine does not answer)", None)]


def main(arguments: Sequence[str]) -> int:
    run, owner_text, engine = arguments
    owner = ProcessIdentity.parse(owner_text)
    if owner is None:
        print(f"not an owner: {owner_text}", file=sys.stderr)
        return 2
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE"):
        signal.signal(signal.Signals[name], signal.SIG_IGN)
    os.chdir("/")
    with contextlib.suppress(OSError):
        os.write(1, READY)
    pipe = LifelinePipe(0, owner)
    if pipe.listen():
        return 0
    for item in clean(run, pipe.sessions, engine == "engine"):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        print(f"{stamp} the verifier is gone; removed {item.kind} {item.name} ({item.id[:12]})", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
