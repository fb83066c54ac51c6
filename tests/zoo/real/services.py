"""The services: how each is installed, `python -m tests.zoo.real.services`, and recorded, `… --record [NAME...]`."""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from tests.zoo import environments
from tests.zoo.real.users import CALENDAR_PASSWORDS, SITE_PASSWORD, USERS
from tests.zoo.recording import record

HERE = Path(__file__).resolve().parent
SECRETS = {
    "SITE_PASSWORD": SITE_PASSWORD,
    **{f"{name.upper()}_PASSWORD": password for name, password in CALENDAR_PASSWORDS.items()},
}  # what the matrices take from the environment of whoever runs them


def install(name: str) -> Path:
    """The folder of its environment, made if need be. Raises NotInstalled."""
    return environments.ensure(name, HERE / f"{name}.txt", finish=_project if name == "django" else None)


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
