"""What is known about the images of common stores: their port, environment, readiness and URL."""

from __future__ import annotations

from verifier.runtime.base import Environment
from verifier.runtime.postgres import Account

KNOWN = {"postgres": "postgres", "redis": "redis", "valkey": "redis", "rabbitmq": "rabbitmq", "nats": "nats"}
PORTS = {"postgres": 5432, "redis": 6379, "rabbitmq": 5672, "nats": 4222}


def family(image: str | None) -> str | None:
    """The kind of store an image is, by the last part of its name: `registry:5000/x/postgres:15` is `postgres`."""
    if not image:
        return None
    return KNOWN.get(image.rpartition("/")[2].partition("@")[0].partition(":")[0])


def url(image: str | None, environment: Environment, host: str, port: int) -> str:
    """The URL of a store that listens on a host and port; `tcp://` for what is not known."""
    values = dict(environment)
    kind = family(image)
    if kind == "postgres":
        return Account.of(environment).url(host, port)
    if kind == "redis":
        return f"redis://{host}:{port}/0"
    if kind == "rabbitmq":
        user, password = values.get("RABBITMQ_DEFAULT_USER", "guest"), values.get("RABBITMQ_DEFAULT_PASS", "guest")
        return f"amqp://{user}:{password}@{host}:{port}/"
    if kind == "nats":
        return f"nats://{host}:{port}"
    return f"tcp://{host}:{port}"
