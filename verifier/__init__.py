"""Verifier for mixed-version deployments: plan a rollout, rehearse it under faults, judge what users would see."""

__version__ = "0.1.0"
