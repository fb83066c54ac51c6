"""What service versions promise: read, compared in both directions, and validated on the wire."""
