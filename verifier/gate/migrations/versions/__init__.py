"""One module for each change of the schema, the first one named 0001."""
