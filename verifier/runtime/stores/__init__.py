"""The kinds of stores, and the stores of the process runtime."""
