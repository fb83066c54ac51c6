"""The matrix: which system, which versions, which rollout, which traffic."""
