"""The recording proxy: forwards live traffic and records its exchanges."""

from verifier.recording.proxy.entries import ObservedExchange, RecordingFile
from verifier.recording.proxy.listener import Recorder, Upstream

__all__ = ["ObservedExchange", "Recorder", "RecordingFile", "Upstream"]
