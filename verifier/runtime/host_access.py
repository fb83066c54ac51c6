"""How the verifier and the containers of a run reach each other. This depends on where the engine runs."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from verifier.errors import BrokenEnvironment
from verifier.runtime.ports import LOOPBACK

HOST_NAME = "host.docker.internal"
# Engines in a virtual machine forward this name to the loopback interface of the host.
_FORWARDING = ("docker desktop", "orbstack")


@dataclass(frozen=True, slots=True)
class HostAccess:
    """`bind` is where the gateway listens, and `host` is its name or address inside containers.

    `direct`: container addresses can be reached from here, so refused connections are visible. Published ports go
    through a proxy of the engine, which accepts connections even if the service does not listen.
    """

    bind: str
    host: str
    direct: bool

    def rewritten(self, value: str) -> str:
        """An environment value with the gateway address that is valid inside a container."""
        return value if self.direct else value.replace(f"//{self.bind}:", f"//{HOST_NAME}:")


def of(network: dict[str, Any], engine: str, docker_host: str | None = None) -> HostAccess:
    """Choose from the inspected network and the operating system of the engine. Raises BrokenEnvironment."""
    where = os.environ.get("DOCKER_HOST", "") if docker_host is None else docker_host
    gateway = gateway_of(network)
    if not remote(where) and _shares_host(network["Id"]) and _bindable(gateway):
        return HostAccess(gateway, gateway, True)
    if any(name in engine.lower() for name in _FORWARDING):
        return HostAccess(LOOPBACK, "host-gateway", False)
    place = f"the container engine at {where}" if where else "the container engine"
    raise BrokenEnvironment(
        f"{place} does not run on this host's network, so its containers cannot reach the verifier's gateway; "
        "run the verifier on the engine's host, or use the process runtime"
    )


def gateway_of(network: dict[str, Any]) -> str:
    """The gateway address of a bridge network. Engines that do not report it use the first of the subnet."""
    for config in network.get("IPAM", {}).get("Config") or ():
        subnet = ipaddress.ip_network(config["Subnet"], strict=False)
        if subnet.version == 4:
            return str(config.get("Gateway") or next(subnet.hosts())).partition("/")[0]
    raise BrokenEnvironment("the engine made a network without an IPv4 subnet")


def remote(docker_host: str) -> bool:
    """Whether DOCKER_HOST names another machine."""
    parts = urlsplit(docker_host)
    if parts.scheme in ("", "unix", "npipe") or not parts.hostname:
        return False
    try:
        return not ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname != "localhost"


def _shares_host(network: str) -> bool:
    """Whether the bridge is an interface of this host. Its address alone may exist on two machines."""
    interfaces = Path("/sys/class/net")
    return not interfaces.is_dir() or (interfaces / f"br-{network[:12]}").exists()


def _bindable(host: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
