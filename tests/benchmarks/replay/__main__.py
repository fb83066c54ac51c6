"""python -m tests.benchmarks.replay [--json] [--rounds N] [--seconds S] [--operations N]

Runs the product's replay, `hey -cpus 1`, `wrk -t1`, httpx and aiohttp against one nginx, in interleaved rounds, and
compares by the median of the pairwise ratios, because single runs vary. Clients run on one core, nginx on another.
CPU time is the client's own (user and system), from resource usage. Then one long run for the peak of memory, and
the gateway beside direct calls. Needs nginx, hey and wrk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass

from tests.benchmarks.replay.server import cores, nginx

CONNECTIONS = 32
NAMES = ("verifier", "hey", "wrk", "wire", "aiohttp", "httpx")


@dataclass(frozen=True, slots=True)
class Sample:
    requests_per_second: float
    cpu_us: float
    peak_mb: float = 0.0
    count: int = 0


def on_cores(command: list[str], allowed: list[int]) -> tuple[str, float]:
    """Output and CPU seconds of a command."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=lambda: os.sched_setaffinity(0, allowed)
    )
    assert process.stdout is not None
    output = process.stdout.read().decode()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{output}")
    return output, usage.ru_utime + usage.ru_stime


def on_one_core(command: list[str]) -> tuple[str, float]:
    return on_cores(command, cores()[-1:])


def python(module: str, *arguments: object, allowed: list[int] | None = None) -> dict[str, float]:
    command = [sys.executable, "-m", f"tests.benchmarks.replay.{module}", *map(str, arguments)]
    output, _ = on_cores(command, allowed or cores()[-1:])
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def sample(name: str, port: int, seconds: float, connections: int) -> Sample:
    url = f"http://127.0.0.1:{port}/"
    if name == "hey":
        output, cpu = on_one_core(["hey", "-cpus", "1", "-z", f"{seconds}s", "-c", str(connections), url])
        # Its histogram may have a line that begins like this one.
        count = int(output.partition("Status code distribution:")[2].split("[200]\t")[1].split()[0])
    elif name == "wrk":
        output, cpu = on_one_core(["wrk", "-t1", f"-d{max(1, round(seconds))}s", "-c", str(connections), url])
        count = int(output.split(" requests in")[0].split()[-1])
    else:
        return Sample(**python("contenders", name, port, seconds, connections))  # type: ignore[arg-type]
    rate = next(line for line in output.splitlines() if line.strip().startswith("Requests/sec"))
    return Sample(float(rate.split(":")[1]), cpu / count * 1e6, count=count)


def measure(rounds: int, seconds: float, connections: int, port: int) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in NAMES}
    for number in range(rounds):
        for name in NAMES:
            samples[name].append(sample(name, port, seconds, connections))
            one = samples[name][-1]
            text = f"round {number + 1}: {name:9} {one.requests_per_second:9.0f}/s {one.cpu_us:7.1f} us"
            print(text, file=sys.stderr, flush=True)
    return samples


def ratio(samples: dict[str, list[Sample]], other: str, field: str, name: str = "verifier") -> float:
    """The median, over the rounds, of ours divided by theirs."""
    pairs = zip(samples[name], samples[other], strict=True)
    return statistics.median(getattr(ours, field) / getattr(theirs, field) for ours, theirs in pairs)


def summary(samples: dict[str, list[Sample]]) -> dict[str, float]:
    rate, cpu = "requests_per_second", "cpu_us"
    found = {
        "requests_per_second": statistics.median(one.requests_per_second for one in samples["verifier"]),
        "ratio_hey": ratio(samples, "hey", rate),
        "ratio_wrk": ratio(samples, "wrk", rate),
        "ratio_httpx": ratio(samples, "httpx", rate),
        "ratio_aiohttp": ratio(samples, "aiohttp", rate),
        "cpu_us_per_request": statistics.median(one.cpu_us for one in samples["verifier"]),
        "cpu_ratio_hey": ratio(samples, "hey", cpu),
    }
    found["wire_ratio_hey"] = ratio(samples, "hey", rate, "wire")
    found["wire_cpu_ratio_hey"] = ratio(samples, "hey", cpu, "wire")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.replay")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each client in each round")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--operations", type=int, default=1_000_000, help="of the run that measures memory; 0: none")
    parser.add_argument("--paced", type=float, default=5.0, help="seconds of the gateway beside direct calls; 0: none")
    options = parser.parse_args()
    if missing := [tool for tool in ("nginx", "hey", "wrk") if shutil.which(tool) is None]:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    with nginx() as port:
        samples = measure(options.rounds, options.seconds, options.connections, port)
        found = summary(samples)
        if options.operations:
            long = python("contenders", "verifier", port, 0, options.connections, options.operations)
            found |= {"peak_mb": long["peak_mb"], "operations": long["count"]}
        if options.paced:
            found |= python("paced", port, options.paced, allowed=cores())
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in found.items()}))
    else:
        for name, ours in samples.items():
            print(name, *[asdict(one) for one in ours], sep="\n  ")
        print(*[f"{name}: {value:.3f}" for name, value in found.items()], sep="\n")


if __name__ == "__main__":
    main()
