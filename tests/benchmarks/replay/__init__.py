"""How fast the replay engine is, beside other HTTP clients and one nginx."""
