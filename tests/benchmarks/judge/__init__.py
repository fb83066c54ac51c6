"""How long it takes to judge a long run, and how much memory."""
