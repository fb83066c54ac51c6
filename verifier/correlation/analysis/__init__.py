"""Which values of a recording flow from responses into requests, and which the client makes up."""
