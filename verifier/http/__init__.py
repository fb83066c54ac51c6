"""HTTP on asyncio: a client that controls when bytes leave, and a server for the gateway and partners."""
