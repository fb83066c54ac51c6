"""HTTP on asyncio: a client that controls when bytes leave, and a server for the gateway and partners."""

from verifier.http.client import Answer, Together, WireClient
from verifier.http.handler import Handler, Peer, Reply
from verifier.http.server import Listener, serve

__all__ = ["Answer", "Handler", "Listener", "Peer", "Reply", "Together", "WireClient", "serve"]
