"""Free ports on loopback for local processes."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from verifier.errors import BrokenEnvironment

LOOPBACK = "127.0.0.1"


class Ports:
    """Gives out free loopback ports, none twice in a run.

    They are below the kernel's range for outgoing connections, so no client of the run can take one between the
    moment it is given out and the moment the replica binds it.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._given: set[int] = set()
        self._span = _span()

    def take(self) -> int:
        """A port that could be bound a moment ago. Raises BrokenEnvironment if there is none."""
        for _ in range(500):
            port = self._chance.randrange(*self._span)
            if port not in self._given and not taken(port):
                self._given.add(port)
                return port
        if self._given:  # a very long run may reuse the ports of stopped replicas
            self._given.clear()
            return self.take()
        raise BrokenEnvironment(f"no free port on {LOOPBACK} between {self._span[0]} and {self._span[1] - 1}")


def taken(port: int, host: str = LOOPBACK, after_close: bool = False) -> bool:
    """Whether a server cannot bind the port; with `after_close`, lingering connections do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if after_close:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _span() -> tuple[int, int]:
    """The range [first, last) of ports that are neither well known nor used for outgoing connections."""
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        lowest = 49152  # the range that RFC 6335 sets aside
    return (10240, lowest) if lowest >= 12288 else (49152, 65536)
