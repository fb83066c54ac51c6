"""Calls between services and to partners: forwarded, disturbed by faults, recorded."""
