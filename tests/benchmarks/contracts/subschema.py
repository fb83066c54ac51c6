"""Runs jsonsubschema over a list of jobs, in an environment of its own; the protocol is that of peers.mjs."""

import contextlib
import io
import json
import signal
import sys
import time
from pathlib import Path

from jsonsubschema import isSubschema


class _TooLongError(Exception):
    pass


def _expired(*_: object) -> None:
    raise _TooLongError("took longer than 10 s")


def _judge(job: dict) -> dict:
    one, other = (json.loads(Path(job[side]).read_text()) for side in ("old", "new"))
    signal.alarm(10)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return {"forward": not isSubschema(one, other), "backward": not isSubschema(other, one)}
    except (Exception, SystemExit) as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    finally:
        signal.alarm(0)


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, _expired)
    for item in json.load(sys.stdin)["jobs"]:
        began = time.perf_counter()
        answer = _judge(item)
        print(json.dumps({"id": item["id"], "seconds": time.perf_counter() - began, **answer}), flush=True)
