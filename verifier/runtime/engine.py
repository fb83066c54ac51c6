"""Connects to the container engine, and finds and removes everything with the label of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from verifier.errors import BrokenEnvironment
from verifier.runtime.identity import ProcessIdentity
from verifier.runtime.labels import LABEL, OWNER_LABEL
from verifier.runtime.leftovers import Leftover

PING_WITHIN = 2
FAILURES = (DockerException, requests.RequestException, OSError)


_of_requests = requests.Session.merge_environment_settings


def _with_own_certificates(client: Any, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
    """The settings of a request to an engine: its certificates are those of the Docker client.

    requests lets REQUESTS_CA_BUNDLE win over those of a session (github.com/psf/requests/issues/3829), so an engine
    with TLS would not be trusted where a company has certificates of its own.
    """
    return _of_requests(client, url, proxies, stream, client.verify if verify is None else verify, cert)


# Of all clients, because testcontainers makes some of its own.
docker.APIClient.merge_environment_settings = _with_own_certificates  # type: ignore[method-assign,assignment]


def connect(timeout: int = 60) -> docker.DockerClient:
    """A client for the engine in DOCKER_HOST, or for the local one. Raises BrokenEnvironment."""
    try:
        # Negotiates the API version. This contacts the engine, so it fails here if there is none.
        return docker.from_env(timeout=timeout, max_pool_size=64, version="auto")
    except Exception as error:  # for an ssh:// host, another library raises its own errors
        raise BrokenEnvironment(f"no container engine answers: {reason(error)}") from None


def answers(within: int = PING_WITHIN) -> str | None:
    """None if an engine answers within that many seconds, otherwise the reason."""
    try:
        # `ping` sends a version that a newer engine may refuse. Asking for the version has no such limit.
        docker.from_env(timeout=within, version="auto").close()
    except NameError:  # raised by the library if it was installed without ssh support
        return "DOCKER_HOST names an ssh:// engine, for which paramiko must be installed"
    except Exception as error:
        return reason(error)
    return None


def reason(error: BaseException) -> str:
    """The message of an engine error, in one line."""
    if isinstance(error, APIError) and error.explanation:
        text = str(error.explanation)
    else:
        cause: BaseException = error
        while (inner := cause.__cause__ or cause.__context__) is not None:
            cause = inner
        text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return " ".join(text.split())


def leftovers(client: docker.DockerClient, run: str | None = None) -> list[Leftover]:
    """Containers, networks and volumes with the label of one run, or of any run, in order of removal."""
    filters: dict[str, Any] = {"label": LABEL if run is None else f"{LABEL}={run}"}
    found = []
    for container in client.api.containers(all=True, filters=filters):
        names = container.get("Names") or ["/" + container["Id"][:12]]
        found.append(_leftover("container", container["Id"], names[0].lstrip("/"), container.get("Labels")))
    for network in client.api.networks(filters=filters):
        found.append(_leftover("network", network["Id"], network["Name"], network.get("Labels")))
    for volume in client.api.volumes(filters=filters).get("Volumes") or ():
        found.append(_leftover("volume", volume["Name"], volume["Name"], volume.get("Labels")))
    return found


def _leftover(kind: Any, identity: str, name: str, labels: dict[str, str] | None) -> Leftover:
    marks = labels or {}
    return Leftover(marks.get(LABEL, ""), kind, identity, name, ProcessIdentity.parse(marks.get(OWNER_LABEL, "")))


def remove(client: docker.DockerClient, item: Leftover) -> bool:
    """Remove one of them. False if the engine refuses for now, such as for a network that is still in use."""
    try:
        if item.kind == "container":
            client.api.remove_container(item.id, v=True, force=True)
        elif item.kind == "network":
            _leave(client, item.id)
            client.api.remove_network(item.id)
        elif item.kind == "volume":
            client.api.remove_volume(item.id, force=True)
    except NotFound:
        return True
    except APIError:
        return False
    return True


def _leave(client: docker.DockerClient, network: str) -> None:
    """Disconnect what is no part of any run: the container in which the verifier itself runs or ran."""
    for container in client.api.containers(filters={"network": network}):
        if LABEL not in (container.get("Labels") or {}):
            client.api.disconnect_container_from_network(container["Id"], network, force=True)


def sweep(client: docker.DockerClient, run: str) -> list[Leftover]:
    """Remove everything of a run that exists now. Returns what was found."""
    found = leftovers(client, run)
    for item in found:
        remove(client, item)
    return found


def sweep_network(client: docker.DockerClient, network: str) -> None:
    """Remove a network and all containers of the run in it."""
    _leave(client, network)
    for container in client.api.containers(all=True, filters={"network": network, "label": LABEL}):
        client.api.remove_container(container["Id"], v=True, force=True)
    client.api.remove_network(network)


@contextmanager
def connected(timeout: int = 60) -> Iterator[docker.DockerClient]:
    client = connect(timeout)
    try:
        yield client
    finally:
        client.close()
