"""Coverage-guided fuzzing of the recording readers, by hand.

    python tests/fuzz/recording_reader.py -max_total_time=600

Needs atheris (not a dependency of the tests). The first byte of the input chooses the format.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["verifier"]):
    from verifier.errors import BadInput
    from verifier.replay.correlate import learn
    from verifier.replay.recording.har import read_har
    from verifier.replay.recording.load import load

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-recording-"))
SUFFIXES = (".har", ".har", ".jsonl", ".gor")


def one_input(data: bytes) -> None:
    if not data:
        return
    kind = data[0] % len(SUFFIXES)
    path = FOLDER / f"input{SUFFIXES[kind]}"
    path.write_bytes(data[1:])
    try:
        recording = read_har(path, largest_whole=0) if kind == 1 else load(path)
    except BadInput:
        return
    for session in recording.sessions:
        learn(session, began=recording.began)


def main() -> None:
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
