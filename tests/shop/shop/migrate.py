"""Migrations as commands: `python -m shop.migrate --release 2.0 expand|contract|undo`."""

from __future__ import annotations

import argparse
import os
import sys

from shop import schema
from shop.releases import ORDERS
from shop.store import open_store, patiently

ADDING = {"expand": schema.expand, "contract": schema.contract, "undo": schema.undo}
REWRITING = {"expand": schema.rewrite, "contract": schema.forget, "undo": schema.put_back}


def main() -> int:
    parser = argparse.ArgumentParser(prog="shop.migrate")
    parser.add_argument("--release", required=True, choices=sorted(ORDERS))
    parser.add_argument("phase", choices=("expand", "contract", "undo"))
    options = parser.parse_args()
    release = ORDERS[options.release]
    if not release.channel and not release.rewrites:
        print(f"orders {options.release} needs no migration")
        return 0
    store = patiently(lambda: open_store(os.environ["DATABASE_URL"]))
    changes = REWRITING if release.rewrites else ADDING
    patiently(lambda: changes[options.phase](store))
    store.close()
    print(f"{options.phase} for orders {options.release}: done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
