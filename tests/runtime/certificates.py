"""Certificates for an engine over TLS: an authority, the engine's host, and a client, as files of the usual names."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def write(folder: Path, host: str) -> None:
    """Write ca.pem, cert.pem and key.pem (of the client), server-cert.pem and server-key.pem."""
    folder.mkdir()
    authority = ec.generate_private_key(ec.SECP256R1())
    whole = _named("authority", authority, "authority", authority)
    own = whole.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    (folder / "ca.pem").write_bytes(own.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    for prefix, usage in (("", ExtendedKeyUsageOID.CLIENT_AUTH), ("server-", ExtendedKeyUsageOID.SERVER_AUTH)):
        key = ec.generate_private_key(ec.SECP256R1())
        made = _named(prefix or "client", key, "authority", authority)
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        address = x509.IPAddress(ipaddress.ip_address(host))
        made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        signed = made.sign(authority, hashes.SHA256())
        (folder / f"{prefix}cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        (folder / f"{prefix}key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def _named(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, authority: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    number = x509.random_serial_number()
    made = x509.CertificateBuilder(names[1], names[0], key.public_key(), number, now - DAY, now + DAY)
    identity = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    parent = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    return made.add_extension(identity, critical=False).add_extension(parent, critical=False)
