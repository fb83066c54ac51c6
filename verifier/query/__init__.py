"""SQL over the history of a run: its tables, and a database in memory that can only be read."""
