"""From a violation to its smallest reproduction."""
