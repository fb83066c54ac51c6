"""A verifier for mixed-version deployments. It plans a rollout, rehearses it with faults and judges the result."""

__version__ = "0.1.0"
