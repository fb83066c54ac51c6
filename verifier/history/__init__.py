"""The history of a run. The replay writes it and the checks read it; this package imports neither of them."""
