"""Sends recorded traffic again: recordings, correlation, the wire client, the gateway, partners, the driver."""
