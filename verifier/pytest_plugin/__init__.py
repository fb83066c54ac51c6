"""The pytest plugin: matrices as tests, and a fixture that rehearses a rollout from within a test.

`plugin.py` is the entry point. Nothing but pytest imports this package, and it imports pytest, which no other part of
the verifier needs.
"""

RUN = "mixed-version run"  # the property of a test that names a run directory
