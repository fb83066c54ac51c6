"""Correlation and freshening: which values flow from answers into requests, and which are renewed per replay."""

from verifier.replay.correlate.borrow import learn_all
from verifier.replay.correlate.learn import learn
from verifier.replay.correlate.model import Poll, Report, Rules
from verifier.replay.correlate.player import Player
from verifier.replay.correlate.script import Script, ScriptStep

__all__ = ["Player", "Poll", "Report", "Rules", "Script", "ScriptStep", "learn", "learn_all"]
