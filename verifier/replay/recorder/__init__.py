"""The recording proxy: passes live traffic on and keeps it as exchanges."""

from verifier.replay.recorder.entries import RecordingFile, Seen
from verifier.replay.recorder.proxy import Recorder, Upstream

__all__ = ["Recorder", "RecordingFile", "Seen", "Upstream"]
