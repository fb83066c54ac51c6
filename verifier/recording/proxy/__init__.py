"""The recording proxy: passes live traffic on and keeps it as exchanges."""

from verifier.recording.proxy.entries import RecordingFile, Seen
from verifier.recording.proxy.listener import Recorder, Upstream

__all__ = ["Recorder", "RecordingFile", "Seen", "Upstream"]
