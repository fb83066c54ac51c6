"""RabbitMQ, as its official image is configured."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from verifier.runtime.base import Address, Environment, Readiness, StoreSpec
from verifier.runtime.job import Job
from verifier.runtime.ports import LOOPBACK
from verifier.runtime.stores.kind import LocalStore, StoreKind, exchange
from verifier.runtime.stores.program import program

_PROGRAMS = ("rabbitmq-server",)
_WITHIN = 120.0  # seconds; it takes some of processor time to start
# A node of Erlang listens for other nodes on all interfaces, and starts a daemon, epmd, that tells them where, and that
# stays. This one does neither; the port is never used, but asked for. Erlang has known the first option since 24.3.
_ALONE = "-dist_listen false -start_epmd false -erl_epmd_port 1"


def url(environment: Environment, host: str, port: int) -> str:
    values = dict(environment)
    user, password = values.get("RABBITMQ_DEFAULT_USER", "guest"), values.get("RABBITMQ_DEFAULT_PASS", "guest")
    vhost = values.get("RABBITMQ_DEFAULT_VHOST", "/")
    place = "" if vhost == "/" else quote(vhost, safe="")
    return f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port}/{place}"


async def rabbitmq_answers(at: Address) -> bool:
    """Whether a server opens a connection of AMQP 0-9-1: it answers the header of the protocol with a method frame."""
    return await exchange(at, b"AMQP\x00\x00\x09\x01", 1) == b"\x01"


async def local(
    spec: StoreSpec, own_folder: Callable[[], Path], complete: Callable[[Environment], dict[str, str]]
) -> LocalStore:
    """A node with a name, a home, data and settings of its own, so that it meets no other node of this machine."""
    folder = own_folder()
    folder.mkdir()
    (folder / "plugins").write_text("[].\n")
    (folder / "settings.conf").touch()
    node = f"{spec.name}-{secrets.token_hex(4)}@localhost"
    own = {
        "HOME": str(folder),  # the cookie of Erlang is there
        "ERL_AFLAGS": _ALONE,
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-sname {node}",  # without it, it asks epmd for nodes of this name
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
        "RABBITMQ_NODE_PORT": "{port}",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "settings.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "settings.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
    }
    environment = tuple({**own, **dict(spec.environment)}.items())
    ready = replace(spec.readiness or Readiness("tcp", "", _WITHIN), kind="tcp")
    job = Job((program(spec, _PROGRAMS, "rabbitmq-server"),), environment, folder, spec.log, ready, rabbitmq_answers)
    return LocalStore(job, lambda port: url(spec.environment, LOOPBACK, port))


def check(spec: StoreSpec) -> None:
    program(spec, _PROGRAMS, "rabbitmq-server")


RABBITMQ = StoreKind(
    "rabbitmq",
    url,
    images=("rabbitmq",),
    port=5672,
    answers=lambda environment: rabbitmq_answers,
    parts=("url", "host", "port", "user", "password"),
    local=local,
    check=check,
)
