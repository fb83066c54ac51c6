"""The services: how each is installed, `python -m tests.zoo.real.services`, and recorded, `… --record [NAME...]`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path

from tests.conftest import in_ci
from tests.engine import system
from tests.engine.system import Unavailable
from tests.zoo import environments
from tests.zoo.kinto import database
from tests.zoo.real.users import CALENDAR_PASSWORDS, SITE_PASSWORD, USERS
from tests.zoo.recording import record

HERE = Path(__file__).resolve().parent
# What the matrices take from the environment of whoever runs them.
SECRETS = {"SITE_PASSWORD": SITE_PASSWORD}
for _name, _password in CALENDAR_PASSWORDS.items():
    SECRETS |= {_name.upper(): _name, f"{_name.upper()}_PASSWORD": _password}


def install(name: str) -> Path:
    """The folder of its environment, made if need be. Raises NotInstalled."""
    folder = environments.ensure(name, HERE / f"{name}.txt", finish=_project if name == "django" else None)
    if (dockerfile := HERE / f"{name}.Dockerfile").is_file():
        (folder / "image").mkdir(exist_ok=True)
        shutil.copyfile(dockerfile, folder / "image" / "Dockerfile")
        shutil.copyfile(HERE / f"{name}.txt", folder / "image" / "requirements.txt")
    return folder


def image(name: str) -> Path:
    """The build context of its image, with all that is installed into it. Raises NotInstalled."""
    context = install(name) / "image"
    environments.wheels(context / "wheels", HERE / f"{name}.txt")
    return context


def provide(name: str) -> None:
    """The programs of its store: in CI they are installed where they are missing. Raises Unavailable."""
    if name == "alerta" and not database.present():
        if not in_ci():
            raise Unavailable("there is no PostgreSQL server on this machine")
        database.provide()
    if name == "celery" and shutil.which("redis-server") is None:
        if not in_ci():
            raise Unavailable("there is no redis-server on this machine")
        system.install(("redis-server",))


def _project(folder: Path) -> None:
    """The site that Django itself generates."""
    project = folder / "project"
    project.mkdir()
    subprocess.run([folder / "bin" / "django-admin", "startproject", "website", project], check=True, timeout=60)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.real.services")
    parser.add_argument("--record", action="store_true", help="make the recordings anew")
    parser.add_argument("names", nargs="*", choices=[*USERS, []], default=[])
    options = parser.parse_args()
    os.environ.update(SECRETS)
    for name in options.names or USERS:
        print(install(name))
        if options.record:
            record(HERE / f"{name}.yaml", HERE / f"{name}.har", USERS[name])


if __name__ == "__main__":
    main()
