"""A private certificate authority, such as a company's database has."""

from __future__ import annotations

from typing import NamedTuple

import trustme


class ServerCertificate(NamedTuple):
    """A server's certificate and key, and the certificate of the authority that signed it; PEM each."""

    authority: bytes
    certificate: bytes
    key: bytes


def issue(*names: str) -> ServerCertificate:
    """Issue a server's certificate for DNS names, signed by a certificate authority of its own."""
    authority = trustme.CA(organization_name="acceptance run")
    server = authority.issue_cert(*names)
    return ServerCertificate(
        authority.cert_pem.bytes(),
        b"".join(blob.bytes() for blob in server.cert_chain_pems),
        server.private_key_pem.bytes(),
    )
