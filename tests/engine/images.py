"""The images that the tests build on: pulled, or, where no registry answers, substitutes made from Debian's packages.

A substitute carries the official image's name and behaves like it where the tests look: `python` and `pip` on the PATH
(with a wheelhouse, so that an ordinary `pip install -r requirements.txt` needs no network), and a PostgreSQL that
takes POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and PGDATA. A label marks it, and says from what it was made.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import inspect
import io
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from tests.engine.system import Unavailable, have, install, run

LABEL = "verifier.tests.substitute"
SUITE = "bookworm"  # the Debian release that has both Python 3.11 and PostgreSQL 15
MIRROR = os.environ.get("DEBIAN_MIRROR", "")  # debootstrap takes its own where none is named
HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE.parent / "shop" / "requirements.txt"
PULL_SECONDS = 120
APT = ("-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none")


@dataclass(frozen=True, slots=True)
class Image:
    """One image: its name, what its substitute installs, how that is finished, and the image's configuration."""

    name: str
    packages: tuple[str, ...]
    finish: Callable[[Path], None]
    changes: tuple[str, ...]
    sources: tuple[Path, ...]  # files that a substitute is made from


def ensure(say: Callable[[str], None]) -> None:
    """Have every image. Raises Unavailable, with the reasons, for those that can be neither pulled nor made."""
    with contextlib.closing(docker.from_env(timeout=PULL_SECONDS)) as client:
        if all(present(client, image) for image in IMAGES):
            return
        with _alone():
            _ensure(client, say)


def _ensure(client: docker.DockerClient, say: Callable[[str], None]) -> None:
    left = []
    for image in IMAGES:
        if not present(client, image):
            try:
                say(f"pulling {image.name}")
                client.images.pull(image.name)
            except (DockerException, OSError) as error:
                left.append(image)
                say(f"{image.name} cannot be pulled ({' '.join(str(error).split())[:160]})")
    if left:
        _substitute(client, left, say)


def present(client: docker.DockerClient, image: Image) -> bool:
    """Whether the image is there; a substitute made from files that have changed since is not."""
    try:
        label = (client.images.get(image.name).labels or {}).get(LABEL)
    except ImageNotFound:
        return False
    return label is None or label == fingerprint(image)


def fingerprint(image: Image) -> str:
    """From what the image is made: its settings, its files and the code that makes it."""
    code = "".join(inspect.getsource(part) for part in (image.finish, _install, _slim, download))
    digest = hashlib.sha256(repr((image.packages, image.changes, SUITE, code)).encode())
    for source in image.sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One process at a time makes images on this machine; the others find them made."""
    with (Path(tempfile.gettempdir()) / "verifier-tests-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _substitute(client: docker.DockerClient, images: Sequence[Image], say: Callable[[str], None]) -> None:
    if platform.system() != "Linux" or os.geteuid() != 0:
        raise Unavailable("images can be neither pulled nor, without root on Linux, made from Debian's packages")
    if not have("debootstrap"):
        install(["debootstrap"])
    with tempfile.TemporaryDirectory(prefix="verifier-images-") as name:
        base = Path(name) / "base"
        say(f"making substitutes for {', '.join(image.name for image in images)} from Debian's packages")
        run("debootstrap", "--variant=minbase", SUITE, base, *([MIRROR] if MIRROR else []))
        # Services must not start in the tree: they would run on this machine.
        policy = base / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        for image in images:
            root = Path(name) / "root"
            run("cp", "-a", base, root)
            _install(root, image.packages)
            image.finish(root)
            _slim(root)
            _import(client, image, root)
            shutil.rmtree(root)
            say(f"made {image.name}")


def _install(root: Path, packages: Sequence[str]) -> None:
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    with _processes(root):
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        command = ("chroot", root, "apt-get", *APT, "install", "-y", "-q", "--no-install-recommends")
        run(*command, *packages, environment=quiet)


@contextlib.contextmanager
def _processes(root: Path) -> Iterator[None]:
    """/proc inside the tree, for the scripts of packages."""
    run("mount", "-t", "proc", "proc", root / "proc")
    try:
        yield
    finally:
        run("umount", root / "proc")


def _slim(root: Path) -> None:
    for folder in (
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "var/log",
    ):
        for inner in (root / folder).glob("*"):
            if inner.is_dir() and not inner.is_symlink():
                shutil.rmtree(inner)
            else:
                inner.unlink()
    (root / "etc/resolv.conf").write_text("")


def _import(client: docker.DockerClient, image: Image, root: Path) -> None:
    repository, _, tag = image.name.partition(":")
    before = [str(found.id) for found in client.images.list(image.name)]
    archive = root.with_suffix(".tar")
    run("tar", "--numeric-owner", "-C", root, "-cf", archive, ".")
    client.api.import_image_from_file(str(archive), repository=repository, tag=tag)
    archive.unlink()
    # An import takes only some of these instructions; a build takes all.
    lines = [f"FROM {client.images.get(image.name).id}", *image.changes, f"LABEL {LABEL}={fingerprint(image)}"]
    client.images.build(fileobj=io.BytesIO("\n".join(lines).encode()), tag=image.name, rm=True, forcerm=True)
    for left in before:
        with contextlib.suppress(DockerException):  # still in use: then it stays, without a name
            client.images.remove(left)


def _finish_python(root: Path) -> None:
    """Like the official image: python and pip without a suffix, and a pip that may install into the system."""
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
    download(root / "opt/wheelhouse")
    (root / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /opt/wheelhouse\n")


def download(folder: Path) -> None:
    """The wheels that the shop's requirements need in the image, whatever Python this is."""
    machine = platform.machine()
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in (35, 34, 31, 28, 27, 26, 24, 17, 12, 5)]
    platforms += [f"manylinux2014_{machine}"]
    flags = [f"--platform={name}" for name in platforms]
    wheels = ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp", *flags]
    command = (sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", folder)
    run(*command, *wheels, "-r", REQUIREMENTS)


def _finish_postgres(root: Path) -> None:
    script = root / "usr/local/bin/docker-entrypoint.sh"
    shutil.copy(ENTRYPOINT, script)
    script.chmod(0o755)
    data = root / "var/lib/postgresql/data"
    data.mkdir()
    run("chroot", root, "chown", "postgres:postgres", "/var/lib/postgresql/data")


PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENTRYPOINT = HERE / "postgres" / "docker-entrypoint.sh"
PYTHON = Image(
    name="python:3.11-slim",
    packages=("ca-certificates", "python3", "python3-pip"),
    finish=_finish_python,
    changes=(f"ENV PATH={PATHS}", "ENV LANG=C.UTF-8", 'CMD ["python3"]'),
    sources=(REQUIREMENTS,),
)
POSTGRES = Image(
    name="postgres:15",
    packages=("postgresql-15",),
    finish=_finish_postgres,
    changes=(
        f"ENV PATH=/usr/lib/postgresql/15/bin:{PATHS}",
        "ENV LANG=C.UTF-8",
        "ENV PGDATA=/var/lib/postgresql/data",
        "EXPOSE 5432",
        "VOLUME /var/lib/postgresql/data",
        "STOPSIGNAL SIGINT",
        'ENTRYPOINT ["docker-entrypoint.sh"]',
        'CMD ["postgres"]',
    ),
    sources=(ENTRYPOINT,),
)
IMAGES = (PYTHON, POSTGRES)
