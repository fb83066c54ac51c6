"""The recording proxy: passes live traffic on and keeps it as exchanges."""

from verifier.recording.proxy.entries import ObservedExchange, RecordingFile
from verifier.recording.proxy.listener import Recorder, Upstream

__all__ = ["ObservedExchange", "Recorder", "RecordingFile", "Upstream"]
