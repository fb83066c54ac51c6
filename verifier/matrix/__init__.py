"""The matrix: the declaration of a system, its versions, its rollout and its traffic."""
