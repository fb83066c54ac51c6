"""Correlation and freshening: which values flow from responses into requests, and which are renewed per replay."""

from verifier.correlation.analysis.borrowing import learn_all
from verifier.correlation.analysis.learn import learn
from verifier.correlation.execution.player import Player
from verifier.correlation.execution.program import Program, compile_script
from verifier.correlation.model import Report, Rules, Script, ScriptStep
from verifier.correlation.waiting import Waiting

__all__ = [
    "Player",
    "Program",
    "Report",
    "Rules",
    "Script",
    "ScriptStep",
    "Waiting",
    "compile_script",
    "learn",
    "learn_all",
]
