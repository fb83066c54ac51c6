"""Correlation and freshening: which values flow from answers into requests, and which are renewed per replay."""

from verifier.correlation.analysis.borrowing import learn_all
from verifier.correlation.analysis.learn import learn
from verifier.correlation.analysis.model import Poll, Report, Rules
from verifier.correlation.execution.player import Player
from verifier.correlation.execution.script import Script, ScriptStep

__all__ = ["Player", "Poll", "Report", "Rules", "Script", "ScriptStep", "learn", "learn_all"]
