"""The contract benchmark: the corpus judged by this project and by its peers, side by side, and what it costs."""
