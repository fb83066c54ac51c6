"""Stores: what is known of each kind, and how the process runtime runs them."""
