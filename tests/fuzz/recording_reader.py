"""Coverage-guided fuzzing of recordings, by hand: the readers, what redacts, what decodes, what puts secrets back.

    python tests/fuzz/recording_reader.py CORPUS -max_total_time=600 -max_len=2048

Needs atheris (not a dependency of the tests). The first byte of the input chooses the format, or what else is tried:
`recording_oracles.py` says what must hold then. What was read is learned from, written, redacted and read again.
CORPUS is a folder, into which samples are put to start from.
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "replay" / "recording"))

with atheris.instrument_imports(include=["verifier", "recording_oracles"]):
    import recording_oracles as oracles
    from test_recording_fuzz import CAPTURE, LINE, SEED

    from verifier.correlation import learn
    from verifier.errors import BadInput
    from verifier.recording.har import read_har
    from verifier.recording.load import load

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-recording-"))
SUFFIXES = (".har", ".har", ".jsonl", ".gor")
KINDS = 8
RECORDINGS = Path(__file__).parents[2] / "matrices" / "recordings"


def read(kind: int, data: bytes) -> None:
    path = FOLDER / f"input{SUFFIXES[kind]}"
    path.write_bytes(data)
    try:
        recording = read_har(path, largest_whole=0) if kind == 1 else load(path)
    except BadInput:
        return
    for session in recording.sessions:
        learn(session, began=recording.began)
    oracles.rewritten(recording, FOLDER / "again.har")


def one_input(data: bytes) -> None:
    if not data:
        return
    kind, rest = data[0] % KINDS, data[1:]
    if kind < len(SUFFIXES):
        read(kind, rest)
    elif kind == 4:
        oracles.codings_are_undone(rest)
    elif kind == 5:
        oracles.only_the_readable_is_asked_for(rest)
    else:
        oracles.no_secret_survives(rest, FOLDER / "secret.har")


def seed(corpus: Path) -> None:
    for kind, sample in ((0, SEED), (1, SEED), (2, LINE + b"\n" + LINE), (3, CAPTURE)):
        (corpus / f"seed-{kind}").write_bytes(bytes([kind]) + sample)
    for number, file in enumerate(sorted(RECORDINGS.glob("*.har"))):
        (corpus / f"seed-recording-{number}").write_bytes(b"\0" + file.read_bytes())
    for kind in range(4, KINDS):
        for number in range(32):
            (corpus / f"seed-{kind}-{number}").write_bytes(bytes([kind, *(number * 37 * at % 251 for at in range(60))]))


def main() -> None:
    for argument in sys.argv[1:]:
        if Path(argument).is_dir():
            seed(Path(argument))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
