"""`python -m tests.engine up|down`: an engine and the images for the tests, or the end of an engine so started."""

from __future__ import annotations

import argparse
import sys

from tests.engine import bootstrap
from tests.engine.system import Unavailable


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.engine")
    parser.add_argument("do", choices=("up", "down"))
    if parser.parse_args().do == "down":
        print("ended the engine" if bootstrap.down() else "no engine of the tests' own was running")
        return 0
    try:
        bootstrap.up()
    except Unavailable as reason:
        print(f"no engine for the tests: {reason}", file=sys.stderr)
        return 4
    print("an engine answers, and the images are there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
