"""The plan: every path to be run with every replay and fault in it, as a plain value printed before anything starts."""
