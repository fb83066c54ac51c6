"""Addresses of stores in environments and commands, as references of a matrix, so that they hold wherever it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from verifier.compose.model import Command, ComposeService
from verifier.compose.recognise import OTHERS, last
from verifier.runtime.stores.registered import of_image

_URL = "url"
_HERE = r"(?:0\.0\.0\.0|127\.0\.0\.1|localhost|\[::1?\]|\*)"
_PORT_NAMES = frozenset({"PORT", "APP_PORT", "HTTP_PORT", "LISTEN_PORT", "SERVER_PORT", "WEB_PORT"})
_PORT_OPTION = r"(?:-p|-b|-P|--?[\w-]*(?:port|bind|listen|addr|address|http))"


def store_port(store: ComposeService) -> int:
    """The port on which a store listens; 0 if it is not a known one and declares none."""
    kind = of_image(store.image)
    if kind is not None and kind.port:
        return kind.port
    return OTHERS.get(last(store.image), 0) or next(iter(store.ports), 0)


def referring(environment: Mapping[str, str], stores: Mapping[str, ComposeService]) -> dict[str, str]:
    """The environment with `${stores.NAME.url}`, `.host` and `.port`. The names are those of the Compose file."""
    found = dict(environment)
    for name, store in stores.items():
        port = store_port(store)
        hosts = {key for key, value in environment.items() if value == name}
        for key, value in found.items():
            if key.endswith("PORT") and value == str(port) and any(_siblings(key, host) for host in hosts):
                found[key] = f"${{stores.{matrix_name(name)}.port}}"
            else:
                found[key] = _referring(value, name, store, port)
    return found


def referring_words(words: Command, stores: Mapping[str, ComposeService]) -> Command:
    """The words of a command in the same way. A word that is only the name of a store may mean something else."""
    if isinstance(words, str):
        return words
    found = list(words)
    for name, store in stores.items():
        found = [word if word == name else _in_text(word, name, store, store_port(store)) for word in found]
    return tuple(found)


def own_port_named(environment: Mapping[str, str], port: int) -> dict[str, str]:
    """The same for variables that name the port on which a service listens, by custom."""
    return {
        name: "{port}" if name in _PORT_NAMES and value == str(port) and port else value
        for name, value in environment.items()
    }


def own_port(words: Command, port: int) -> Command:
    """The words with `{port}` for the port that the service itself listens on: local processes get one of their own.

    It stands after an option that names a port or an address, or behind an address that means this machine.
    """
    if isinstance(words, str) or not port:
        return words
    within = re.compile(rf"({_HERE}:|(?:^|\s){_PORT_OPTION}[= ]){port}(?!\d)")
    found = [within.sub(r"\g<1>{port}", word) for word in words]
    for at, word in enumerate(found):
        if at and word in (str(port), f":{port}") and re.fullmatch(_PORT_OPTION, found[at - 1]):
            found[at] = word.replace(str(port), "{port}")
    return tuple(found)


def matrix_name(name: str) -> str:
    """The name of a Compose service as a host name, which is what a matrix needs."""
    made = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    return made if re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", made) else f"service-{made}".strip("-")


def _siblings(port: str, host: str) -> bool:
    """DB_PORT and DB_HOST."""
    return port.removesuffix("PORT") == re.sub(r"(HOST(NAME)?|SERVER|ADDR(ESS)?)$", "", host)


def _referring(value: str, name: str, store: ComposeService, port: int) -> str:
    return f"{_reference(name)}host}}" if value == name else _in_text(value, name, store, port)


def _reference(name: str) -> str:
    return f"${{stores.{matrix_name(name)}."


def _in_text(text: str, name: str, store: ComposeService, port: int) -> str:
    """A whole URL of the store, its host with its port, and its host in a URL, which means the usual port.

    A line for a shell has them within.
    """
    reference, kind = _reference(name), of_image(store.image)
    if kind is not None:
        whole = kind.url(tuple(store.environment.items()), name, port)
        for url in {whole, whole.replace(f":{port}", "", 1)}:
            scheme = re.escape(url).replace("postgresql://", "postgres(?:ql)?://", 1)
            text = re.sub(rf"(?<![\w+]){scheme}(?![\w/?:])", f"{reference}{_URL}}}", text)
    address = f"{reference}host}}:{reference}port}}"
    text = re.sub(rf"(?<![\w.-]){re.escape(name)}:{port}(?!\d)", address, text)
    return re.sub(rf"(?:(?<=://)|(?<=\w@)){re.escape(name)}(?=[/?,'\"\s]|$)", address, text)


def reached(environment: Mapping[str, str], names: Mapping[str, object], command: str) -> set[str]:
    """The services whose names stand as hosts in these values, or in a command, where most other words are none."""
    named = {
        name
        for name in names
        for value in environment.values()
        if value == name or re.search(rf"(?:[@/]|^|,){re.escape(name)}(?::\d|[/?,]|$)", value)
    }
    within = (
        name
        for name in names
        if re.search(rf"(?:://|\w@|(?<!\S)){re.escape(name)}:\d|://{re.escape(name)}(?!\S)", command)
    )
    return named | set(within)
