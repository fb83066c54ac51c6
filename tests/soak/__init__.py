"""The verifier under fire: `python -m tests.soak --minutes N`. Not a part of `python -m tests`."""
