"""Checks: functions of a history and its promises, without I/O and without a clock. One file for each guarantee."""
