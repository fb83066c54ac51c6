"""The history of a run: written by the replay, read by the checks, imported by both and importing neither."""
