"""The label by which everything of a run is found again, on containers and in process environments."""

LABEL = "verifier.run"
ENVIRONMENT = "VERIFIER_RUN"
