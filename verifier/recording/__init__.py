"""Recordings: read from HAR, GoReplay and JSONL; written as HAR, redacted when written."""
