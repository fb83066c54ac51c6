"""How long a rehearsal takes to its verdict, beside what cannot be shorter and what does nothing at the same time."""
