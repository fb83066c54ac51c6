"""Compose files: reads them and writes a first matrix from them (`verifier init`)."""
