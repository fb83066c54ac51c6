"""The schema of the results store, step by step. Alembic runs the steps (`verifier/gate/upgrade.py`)."""
