"""A throwaway certificate authority, so that `https://{domainName}/{stage}` built from an event works (E13).

The functions trust it through `AWS_CA_BUNDLE`: a bundle of the public authorities and ours, so that a handler that
calls the internet still can. It lies in a private temporary folder and goes with it; the private keys stay in memory.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import botocore.httpsession


class ThrowawayAuthority:
    """Made when the gateway starts, gone when it stops."""

    def __init__(self, host: str) -> None:
        import trustme  # noqa: PLC0415  0.1 s that only a gateway with TLS pays

        self._folder = tempfile.TemporaryDirectory(prefix="tracker-sim-tls-")
        authority = trustme.CA(organization_name="tracker-sim throwaway CA")
        certificate = authority.issue_cert(*{host, "localhost", "127.0.0.1", "::1"})
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """For the listening side; TLS 1.2 or later (H01)."""
        self.server_context.minimum_version = ssl.TLSVersion.TLSv1_2
        # OpenSSL reads a key from a file only: it is there for a moment, in a folder that only the user can look into.
        with certificate.private_key_and_cert_chain_pem.tempfile(dir=self._folder.name) as pem:
            self.server_context.load_cert_chain(pem)
        self.bundle = Path(self._folder.name) / "ca-bundle.pem"
        """For `AWS_CA_BUNDLE`."""
        public = Path(botocore.httpsession.where()).read_bytes()
        self.bundle.write_bytes(public + b"\n" + authority.cert_pem.bytes())

    def discard(self) -> None:
        """Remove the files."""
        self._folder.cleanup()
