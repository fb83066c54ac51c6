"""What the commands of the gate share: the store, the environment, and builds of services."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

from verifier.errors import BadInput
from verifier.gate.model import Build
from verifier.located import parse_seconds
from verifier.printable import printable, quoted

try:
    from verifier.gate.address import address
    from verifier.gate.store import ResultsStore
except ModuleNotFoundError as error:
    raise BadInput.one(
        "verifier", f"the results store needs {error.name}: pip install 'mixed-version-verifier[gate]'"
    ) from None

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DAY = 86400.0

STORE = click.option(
    "--store",
    metavar="URL",
    help="Results store: sqlite:///FILE or postgresql://…; by default $VERIFIER_STORE or .verifier/results.sqlite.",
)
_LONGEST = 200  # characters of a name


def _is_name(text: str) -> bool:
    """Whether a text is a word that any database can keep and any terminal can show."""
    return bool(text.strip()) and len(text) <= _LONGEST and printable(text) == text and "\n" not in text


class NameType(click.ParamType[str]):
    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        if not _is_name(str(value)):
            self.fail(f"{quoted(value)} is no name", param, context)
        return str(value)


ENVIRONMENT = click.option("--environment", required=True, type=NameType(), help="Where it is deployed to.")


class BuildType(click.ParamType):  # type: ignore[type-arg] # it takes none before click 8.4
    """A service with a version, and the digest of its image where it is known."""

    name = "SERVICE=VERSION[@sha256:…]"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> tuple[str, str, str]:
        if isinstance(value, tuple):
            return value
        service, equals, rest = str(value).partition("=")
        version, at, digest = rest.partition("@")
        if not (_is_name(service) and equals and _is_name(version)) or (at and not _DIGEST.fullmatch(digest)):
            self.fail(
                f"{quoted(value)} must be SERVICE=VERSION, and may end with @sha256: and 64 digits", param, context
            )
        return service.strip(), version.strip(), digest


def builds(given: Sequence[tuple[str, str, str]]) -> dict[str, Build]:
    """The builds by service. Raises BadInput if a service is named twice."""
    found: dict[str, Build] = {}
    for service, version, digest in given:
        if service in found:
            raise BadInput.one("SERVICE=VERSION", f"names {service} twice")
        found[service] = Build(version, digest)
    return found


def opened(store: str | None, *, create: bool = False) -> ResultsStore:
    """The results store. Raises BadInput for a wrong URL, BrokenEnvironment if it fails."""
    return ResultsStore(address(store), create=create)


def age(given: str | None) -> float | None:
    """The --max-age flag as seconds. Raises BadInput."""
    if given is None:
        return None
    days = given.removesuffix("d")
    found = float(days) * _DAY if given.endswith("d") and days.isdecimal() else parse_seconds(given)
    if found is None:
        raise BadInput.one("--max-age", f"must be a duration such as 12h or 7d, not {given!r}")
    return found
