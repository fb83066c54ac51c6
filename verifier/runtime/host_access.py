"""How the verifier and the containers of a run reach each other. This depends on where the engine runs."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from verifier.errors import BrokenEnvironment
from verifier.runtime import own_container, remote
from verifier.runtime.ports import LOOPBACK

HOST_NAME = "host.docker.internal"
_FORWARDED = "host-gateway"  # what the engine replaces by the address of its host
# Engines in a virtual machine forward this name to the loopback interface of the host.
_FORWARDING = ("docker desktop", "orbstack")


@dataclass(frozen=True, slots=True)
class HostAccess:
    """`bind` is where the gateway listens, and `host` is its name or address inside containers.

    `direct`: container addresses can be reached from here, so refused connections are visible. Else replicas are
    reached by ports that are published on the address `published`. Published ports go through a proxy of the engine,
    which accepts connections even if the service does not listen. The gateway admits `callers` alone, or everybody who
    reaches it if that is None.
    """

    bind: str
    host: str
    direct: bool
    published: str = LOOPBACK
    callers: frozenset[str] | None = None

    def rewritten(self, value: str) -> str:
        """An environment value with the gateway address that is valid inside a container."""
        return value.replace(f"//{self.bind}:", f"//{HOST_NAME}:") if self.host == _FORWARDED else value

    @property
    def names(self) -> dict[str, str]:
        """Host names that every replica knows besides those of services and partners."""
        return {HOST_NAME: self.host} if self.host == _FORWARDED else {}


def of(client: docker.DockerClient, network: dict[str, Any], docker_host: str | None = None) -> HostAccess:
    """Choose from the inspected network and from where the engine is. Blocking. Raises BrokenEnvironment.

    If the verifier runs in a container of this engine, it is in the network afterwards.
    """
    where = os.environ.get("DOCKER_HOST", "") if docker_host is None else docker_host
    gateway = gateway_of(network)
    if _shares_host(network["Id"], remote.is_remote(where)) and _bindable(gateway):
        return HostAccess(gateway, gateway, True)
    if (own := own_container.find(client)) is not None:
        address = own_container.join(client, own, network)
        return HostAccess(address, address, True)
    if any(name in str(client.info().get("OperatingSystem", "")).lower() for name in _FORWARDING):
        return HostAccess(LOOPBACK, _FORWARDED, False)
    if not remote.is_remote(where):
        raise BrokenEnvironment(_unreachable(where))
    way = remote.ends(where)
    return HostAccess(way.here, way.here, False, way.there, remote.callers(way, where))


def _unreachable(where: str) -> str:
    named = f" at {where}" if where else ""
    return (
        f"the container engine{named} does not run on this host's network, nor does it run this process in a "
        "container, so its containers cannot reach the verifier's gateway; if its socket is forwarded from another "
        "machine, name that machine in DOCKER_HOST (tcp://HOST:2376 or ssh://USER@HOST), or run the verifier there, "
        "or use the process runtime"
    )


def gateway_of(network: dict[str, Any]) -> str:
    """The gateway address of a bridge network. Engines that do not report it use the first of the subnet."""
    for config in network.get("IPAM", {}).get("Config") or ():
        subnet = ipaddress.ip_network(config["Subnet"], strict=False)
        if subnet.version == 4:
            return str(config.get("Gateway") or next(subnet.hosts())).partition("/")[0]
    raise BrokenEnvironment("the engine made a network without an IPv4 subnet")


def _shares_host(network: str, named_elsewhere: bool) -> bool:
    """Whether the bridge is an interface of this host. Its address alone may exist on two machines.

    Where interfaces cannot be listed, an engine shares the host unless its address says otherwise.
    """
    interfaces = Path("/sys/class/net")
    return (interfaces / f"br-{network[:12]}").exists() if interfaces.is_dir() else not named_elsewhere


def _bindable(host: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
