"""One replay of an analysed session: fills request templates and learns from responses."""
