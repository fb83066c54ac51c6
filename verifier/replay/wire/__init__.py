"""HTTP on asyncio: a client that controls when bytes leave, and a server for the gateway and partners."""

from verifier.replay.wire.client import Answer, Together, WireClient
from verifier.replay.wire.reply import Handler, Peer, Reply
from verifier.replay.wire.server import Listener, serve

__all__ = ["Answer", "Handler", "Listener", "Peer", "Reply", "Together", "WireClient", "serve"]
