"""Runtimes: containers on a private network, or local processes on loopback."""
