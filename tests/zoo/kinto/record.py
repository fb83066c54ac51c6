"""Makes `matrices/recordings/kinto.har`: `python -m tests.zoo.kinto.record`."""

from __future__ import annotations

import subprocess
import sys

from tests.shop.record import RECORDINGS
from tests.zoo.kinto import environments
from tests.zoo.recording import record


def drive(url: str) -> None:
    client = [sys.executable, str(environments.HERE / "drive.py")]
    subprocess.run([*client, url, "--host", "kinto:8888"], check=True, timeout=120)


if __name__ == "__main__":
    environments.ensure(environments.RELEASES[0])
    record(RECORDINGS.parent / "kinto.yaml", RECORDINGS / "kinto.har", drive)
