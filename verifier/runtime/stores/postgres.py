"""PostgreSQL: its official image, and for the process runtime a private server from binaries on this machine."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from verifier.errors import BrokenEnvironment
from verifier.runtime.base import Address, Environment, Readiness, StoreSpec
from verifier.runtime.job import Job
from verifier.runtime.ports import LOOPBACK
from verifier.runtime.stores.kind import Answers, LocalStore, StoreKind, exchange

_WITHIN = 30.0
_LOAD = ("-X", "-q", "-v", "ON_ERROR_STOP=1")
_NEEDED = ("initdb", "postgres")

# Temporary data need not reach the disk. These settings do not change what a transaction can see.
_CONNECTIONS = "max_connections=200"
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class Account:
    """The account in the environment variables of the official image."""

    user: str
    password: str
    database: str

    @classmethod
    def of(cls, environment: Environment) -> Account:
        values = dict(environment)
        user = values.get("POSTGRES_USER") or "postgres"
        return cls(user, values.get("POSTGRES_PASSWORD") or "verifier", values.get("POSTGRES_DB") or user)

    def url(self, host: str, port: int) -> str:
        user, password, database = (quote(part, safe="") for part in (self.user, self.password, self.database))
        return f"postgresql://{user}:{password}@{host}:{port}/{database}"


def binaries(image: str | None) -> Path:
    """The folder with the server programs: the major version in the name of the image, or the newest one.

    Raises BrokenEnvironment if there is none.
    """
    found: dict[int, Path] = {}
    for folder in Path("/usr/lib/postgresql").glob("*/bin"):
        if folder.parent.name.isdecimal() and all((folder / name).exists() for name in _NEEDED):
            found[int(folder.parent.name)] = folder
    wanted = re.search(r":(\d+)", image.rpartition("/")[2]) if image else None
    if wanted and int(wanted.group(1)) in found:
        return found[int(wanted.group(1))]
    if found:
        return found[max(found)]
    program = shutil.which("postgres")
    if program:
        folder = Path(program).resolve().parent
        if all((folder / name).exists() for name in _NEEDED):
            return folder
    raise BrokenEnvironment(
        "`process: postgres` needs a PostgreSQL server on this machine, and none was found "
        "under /usr/lib/postgresql or in PATH; install one or declare `process: sqlite`"
    )


def as_user(command: list[str]) -> list[str]:
    """The command, run by an unprivileged user if this process is root, because PostgreSQL does not run as root."""
    account = _unprivileged()
    if account is None:
        return command
    drop = (
        f"import os, sys; os.setgroups([]); os.setgid({account.pw_gid}); os.setuid({account.pw_uid}); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-I", "-S", "-c", drop, *command]


def own(folder: Path) -> None:
    """Create an empty folder that only the user of the server can read."""
    folder.mkdir(mode=0o700, parents=True)
    account = _unprivileged()
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)


def _unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise BrokenEnvironment("PostgreSQL does not run as root, and there is no user postgres or nobody to run it")


async def create(folder: Path, programs: Path, account: Account, environment: dict[str, str]) -> None:
    """Create an empty cluster in `folder`, which must not exist, with the database of the account."""
    own(folder)
    data, secret = folder / "data", folder / "password"
    secret.write_text(account.password + "\n")
    secret.chmod(0o644)  # its folder is not readable for others
    await _run(
        [str(programs / "initdb"), "--pgdata", str(data), "--username", account.user, "--pwfile", str(secret),
         "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"],
        folder, environment, b"",
    )  # fmt: skip
    secret.unlink()
    if account.database != "postgres":
        name = account.database.replace('"', '""')
        await _run(
            [str(programs / "postgres"), "--single", "-D", str(data), "-c", "fsync=off", "postgres"],
            folder, environment, f'CREATE DATABASE "{name}"\n'.encode(),
        )  # fmt: skip


def server(folder: Path, programs: Path) -> tuple[str, ...]:
    """The command of a server that listens only on loopback, without a socket file. `{port}` is not replaced yet."""
    settings = (*SETTINGS, f"listen_addresses={LOOPBACK}", "port={port}", "unix_socket_directories=", _CONNECTIONS)
    start = [str(programs / "postgres"), "-D", str(folder / "data")]
    return tuple(as_user([*start, *(part for setting in settings for part in ("-c", setting))]))


async def _run(command: list[str], folder: Path, environment: dict[str, str], given: bytes) -> None:
    process = await asyncio.create_subprocess_exec(
        *as_user(command),
        cwd=folder, env=environment, start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await process.communicate(given)
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        last = output.decode("utf-8", "replace").strip().splitlines()[-3:]
        raise BrokenEnvironment(f"{Path(command[0]).name} failed with status {process.returncode}: {' '.join(last)}")


async def answers(at: Address, account: Account) -> bool:
    """Whether a server accepts connections: it responds to a start-up message with a request for authentication.

    While it starts, recovers or stops, it responds with an error (57P03). The temporary server that the official image
    runs for its setup does not listen on TCP. Messages: PostgreSQL's documentation,
    "Frontend/Backend Protocol", "Start-up".
    """
    words = f"user\0{account.user}\0database\0{account.database}\0\0".encode()
    return await exchange(at, struct.pack("!ii", len(words) + 8, 196608) + words, 1) == b"R"


def _answers(environment: Environment) -> Answers:
    account = Account.of(environment)
    return lambda at: answers(at, account)


def url(environment: Environment, host: str, port: int) -> str:
    return Account.of(environment).url(host, port)


def completed(environment: Environment) -> dict[str, str]:
    """The declared environment plus the variables that the image requires."""
    account = Account.of(environment)
    values = dict(environment) | {
        "POSTGRES_USER": account.user,
        "POSTGRES_PASSWORD": account.password,
        "POSTGRES_DB": account.database,
    }
    values.setdefault("POSTGRES_INITDB_ARGS", "--no-sync")
    return values


async def local(
    spec: StoreSpec, own_folder: Callable[[], Path], complete: Callable[[Environment], dict[str, str]]
) -> LocalStore:
    programs, account = binaries(spec.image), Account.of(spec.environment)
    # Not in the run directory, because the user of the server may have no access to its parents.
    folder = own_folder()
    if not folder.exists():
        await create(folder, programs, account, complete(spec.environment))
    job = Job(
        command=server(folder, programs), environment=spec.environment, directory=folder, log=spec.log,
        ready=replace(spec.readiness or Readiness("tcp", "", _WITHIN), kind="tcp"),
        probe=lambda at: answers(at, account),
    )  # fmt: skip
    # SIGQUIT, because the server then ends its workers first, which may have left its group. SIGINT writes all data.
    return LocalStore(job, lambda port: account.url(LOOPBACK, port), "SIGQUIT", lasting="SIGINT")


async def load(spec: StoreSpec, url: str, file: Path) -> None:
    """Run a file of SQL with psql, which stops at the first error."""
    beside = binaries(spec.image) / "psql"
    program = str(beside) if beside.exists() else shutil.which("psql")
    if program is None:
        raise BrokenEnvironment("a .sql file needs psql on this machine (Debian: postgresql-client)")
    process = await asyncio.create_subprocess_exec(
        program, *_LOAD, "-f", str(file), url,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    if process.returncode:
        raise BrokenEnvironment(output.decode("utf-8", "replace").strip())


def load_command(environment: Environment, file: str) -> list[str]:
    account = Account.of(environment)
    return ["psql", *_LOAD, "-f", file, "-U", account.user, "-d", account.database]


def check(spec: StoreSpec) -> None:
    binaries(spec.image)


POSTGRES = StoreKind(
    "postgres",
    url,
    images=("postgres",),
    port=5432,
    environment=completed,
    arguments=("postgres", *(part for setting in SETTINGS for part in ("-c", setting))),
    answers=_answers,
    local=local,
    check=check,
    load=load,
    load_command=load_command,
    parts=("url", "host", "port", "user", "password", "database"),
)
