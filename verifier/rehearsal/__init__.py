"""The composition root. It prepares the inputs, walks the plan, writes the history and emits events."""
