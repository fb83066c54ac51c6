"""Makes the recordings beside the matrices: `python -m tests.shop.record [checkout] [notes]`.

Starts the old release, puts `verifier record` in front of it, and drives it with a real client.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.shop.harness import SHOP, Psp, Shop, free_port, wait_ready

NOTES = SHOP.parent / "zoo" / "notes"
RECORDINGS = SHOP.parents[1] / "matrices" / "recordings"
LISTENING = re.compile(r"recording (http://\S+)")


@contextmanager
def recorder(to: str, out: Path, service: str) -> Iterator[str]:
    """`verifier record` in front of `to`; gives the address that clients take instead. `out` is written at the end."""
    command = [str(Path(sys.executable).with_name("verifier")), "record"]
    command += [
        "--listen",
        "127.0.0.1:0",
        "--to",
        to,
        "--out",
        str(out),
        "--as",
        service,
        "--session-header",
        "X-Session",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        seen = ""
        for line in process.stderr:
            seen += line
            if found := LISTENING.search(line):
                yield found[1]
                break
        else:
            raise RuntimeError(f"the recorder did not start:\n{seen}")
    finally:
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
        if process.wait(timeout=30):
            raise RuntimeError(f"the recorder failed:\n{told}")
    print(told.strip())


def drive(script: Path, url: str, host: str) -> None:
    subprocess.run([sys.executable, str(script), url, "--host", host], check=True, timeout=120)


def checkout(folder: Path) -> None:
    with Psp() as psp, Shop(folder, f"sqlite:///{folder}/shop.db", psp.url) as shop:
        _, (orders,) = shop.start(["1.2"], ["1.4"])
        with recorder(orders.url, RECORDINGS / "checkout.har", "orders:8080") as url:
            drive(SHOP / "drive.py", url, "orders:8080")


def notes(folder: Path) -> None:
    port, log = free_port(), folder / "notes.log"
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/notes.db"}
    with log.open("wb") as out:
        command = [sys.executable, "notes.py", "1", "--port", str(port)]
        process = subprocess.Popen(command, cwd=NOTES, env=environment, stdout=out, stderr=out)
    try:
        wait_ready(process, f"http://127.0.0.1:{port}", log)
        with recorder(f"http://127.0.0.1:{port}", RECORDINGS / "notes.har", "notes:8000") as url:
            drive(NOTES / "drive.py", url, "notes:8000")
    finally:
        process.terminate()
        process.wait(timeout=20)


MAKERS = {"checkout": checkout, "notes": notes}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.shop.record")
    parser.add_argument("names", nargs="*", choices=[*MAKERS, []], default=[])
    for name in parser.parse_args().names or list(MAKERS):
        with tempfile.TemporaryDirectory(prefix="shop-recording-") as folder:
            MAKERS[name](Path(folder))


if __name__ == "__main__":
    main()
