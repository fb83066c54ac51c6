"""A worker without a port: `python idle_worker.py WAY FOLDER`. It says that it is up, and ends when it is asked to.

Ways to be: `well`; `dies` ends with status 3 as soon as there is new work, which is a file in the folder.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path


def main() -> None:
    way, folder = sys.argv[1], Path(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("worker is up", flush=True)
    folder.mkdir(exist_ok=True)
    before = set(folder.iterdir())
    while way == "well" or not set(folder.iterdir()) - before:
        time.sleep(0.02)
    sys.exit(3)


if __name__ == "__main__":
    main()
