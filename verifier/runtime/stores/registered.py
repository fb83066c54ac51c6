"""All kinds of stores. A new one is one module with a `StoreKind` and one line here."""

from __future__ import annotations

from verifier.runtime.base import Environment
from verifier.runtime.stores import command, files, nats, postgres, rabbitmq, redis, sqlite
from verifier.runtime.stores.kind import StoreKind, tcp_url

KINDS: tuple[StoreKind, ...] = (
    sqlite.SQLITE,
    postgres.POSTGRES,
    redis.REDIS,
    rabbitmq.RABBITMQ,
    nats.NATS,
    files.FILE,
    files.DIRECTORY,
    command.COMMAND,
)

# The names that a matrix may use as `process` of a store. A command is a list and has no name.
PROCESS_STORES = tuple(kind.name for kind in KINDS if kind.local is not None and kind is not command.COMMAND)


def of_store(image: str | None, kind: str | None) -> StoreKind | None:
    """The kind of a store in a container: the declared one, else that of its image."""
    return next((entry for entry in KINDS if entry.name == kind), None) if kind is not None else of_image(image)


def of_image(image: str | None) -> StoreKind | None:
    """The kind of an image by the last part of its name: `registry:5000/x/postgres:15` is `postgres`."""
    name = (image or "").rpartition("/")[2].partition("@")[0].partition(":")[0]
    return next((kind for kind in KINDS if name in kind.images), None)


def of_process(process: str | tuple[str, ...]) -> StoreKind:
    """The kind of store that a matrix declares for the process runtime."""
    return next((kind for kind in KINDS if kind.name == process and process in PROCESS_STORES), command.COMMAND)


def parts(image: str | None, process: object) -> frozenset[str]:
    """What `${stores.NAME.…}` can name of a store that is declared by this image, this process, or both."""
    found = set[str]()
    if image is not None:
        kind = of_image(image)
        found.update(kind.parts if kind is not None else StoreKind("").parts)
    if isinstance(process, str):
        found.update(of_process(process).parts)
    elif process is not None:
        found.update(command.COMMAND.parts)
    return frozenset(found) or frozenset({"url"})


def url(image: str | None, environment: Environment, host: str, port: int, named: str | None = None) -> str:
    """The URL of a store that listens on a host and port; `tcp://` for an unknown image and no declared kind."""
    kind = of_store(image, named)
    return (kind.url if kind is not None else tcp_url)(environment, host, port)
