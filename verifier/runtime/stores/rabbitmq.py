"""RabbitMQ, with the configuration of its official image."""

from __future__ import annotations

from verifier.runtime.base import Environment
from verifier.runtime.stores.kind import StoreKind


def url(environment: Environment, host: str, port: int) -> str:
    values = dict(environment)
    user, password = values.get("RABBITMQ_DEFAULT_USER", "guest"), values.get("RABBITMQ_DEFAULT_PASS", "guest")
    return f"amqp://{user}:{password}@{host}:{port}/"


RABBITMQ = StoreKind(
    "rabbitmq", url, images=("rabbitmq",), port=5672, parts=("url", "host", "port", "user", "password")
)
