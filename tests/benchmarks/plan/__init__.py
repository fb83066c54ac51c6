"""How long it takes to plan one long session, and how much memory."""
