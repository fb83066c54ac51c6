"""The composition root: prepares the inputs, walks the plan, writes the history, emits events."""
