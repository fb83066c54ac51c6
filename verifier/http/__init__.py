"""HTTP on asyncio: a client that controls when bytes leave, and a server for the gateway and partners."""

from verifier.http.client import ReleaseBarrier, SendResult, WireClient
from verifier.http.handler import Handler, Peer, Reply
from verifier.http.server import Listener, serve

__all__ = ["Handler", "Listener", "Peer", "ReleaseBarrier", "Reply", "SendResult", "WireClient", "serve"]
