"""`python -m tests.benchmarks.contracts [--json] [--no-peers]`: tables, and with --json one object on the last line."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tabulate import tabulate

from tests.benchmarks.contracts.measure import Ours, ours, score, scored, seconds_200, truth, validation_us
from tests.benchmarks.contracts.peers import install
from tests.contracts.contract_corpus import Pair, load_corpus


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.contracts", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--no-peers", action="store_true", help="this project only; nothing is installed")
    options = parser.parse_args()
    corpus = load_corpus()
    with tempfile.TemporaryDirectory(prefix="contracts-") as name:
        report = _measured(corpus, Path(name), peers=not options.no_peers)
    _print(report)
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")


def _measured(corpus: tuple[Pair, ...], folder: Path, *, peers: bool) -> dict[str, Any]:
    result = ours(corpus, folder)
    seconds, large = seconds_200(folder)
    reports = [scored(peer, corpus, folder, large) for peer in install()] if peers else []
    return {
        "pairs": len(corpus),
        "columns": result.columns,
        "missed": result.missed,
        "invented": result.invented,
        "unknown": result.unknown,
        "wrong": list(result.wrong),
        "ms_per_pair": round(result.seconds_per_pair * 1000, 2),
        "seconds_200_operations": round(seconds, 3),
        "validation_us": round(validation_us(folder), 2),
        "ours": _own(corpus, result),
        "peers": reports,
    }


def _own(corpus: tuple[Pair, ...], result: Ours) -> dict[str, Any]:
    pairs = [pair for pair in corpus if pair.http]
    got = [(truth(pair, schema=False), result.answers[pair.name]) for pair in pairs]
    return {
        "pairs": len(pairs),
        "old_clients": score((real[0], item.forward) for real, item in got),
        "new_clients": score((real[1], item.backward) for real, item in got),
    }


def _print(report: dict[str, Any]) -> None:
    rows = [_row("this project", "", report["ours"], report["ms_per_pair"], report["seconds_200_operations"])]
    for peer in report["peers"]:
        if "problem" in peer:
            rows.append([peer["name"], peer["version"], "", f"not installed: {peer['problem']}", "", "", "", ""])
        else:
            rows.append(
                _row(peer["name"], peer["version"], peer, peer["ms_per_pair"], peer.get("seconds_200_operations"))
            )
    headers = [
        "tool",
        "version",
        "pairs",
        "old: tp/fp/fn/tn",
        "new: tp/fp/fn/tn",
        "new, swapped",
        "ms/pair",
        "s/200 ops",
    ]
    sys.stdout.write(tabulate(rows, headers, tablefmt="github", disable_numparse=True) + "\n\n")
    figures = {key: report[key] for key in ("columns", "missed", "invented", "unknown", "validation_us")}
    sys.stdout.write(tabulate(figures.items(), tablefmt="github") + "\n")
    for line in report["wrong"]:
        sys.stdout.write(f"{line}\n")


def _row(name: str, version: str, report: dict[str, Any], millis: Any, seconds: Any) -> list[Any]:
    def counted(*keys: str) -> str:
        found = next((report[key] for key in keys if key in report), None)
        if found is None:
            return ""
        text = "/".join(str(found[key]) for key in ("tp", "fp", "fn", "tn"))
        return f"{text} ({found['none']} without answer)" if found["none"] else text

    return [name, version, report["pairs"], counted("old_clients", "old_values"), counted("new_clients", "new_values"),
            counted("new_clients_swapped"), millis, seconds if seconds is not None else ""]  # fmt: skip


if __name__ == "__main__":
    main()
