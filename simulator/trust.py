"""Whom a client of a stack trusts: the authorities of this machine, and a local stack's own throwaway one."""

from __future__ import annotations

import functools
import ssl

from simulator.errors import EnvironmentFailure

_SECURE = ("wss://", "https://")


def tls_context(url: str, ca_bundle: str | None) -> ssl.SSLContext | None:
    """What a connection to `url` is made with; None when it is plain.

    `ca_bundle` is a file of certificates (PEM) to trust in place of this machine's; None: those. Raises
    `EnvironmentFailure` when it cannot be read.
    """
    return _context(ca_bundle) if url.lower().startswith(_SECURE) else None


@functools.cache
def _context(ca_bundle: str | None) -> ssl.SSLContext:
    """One for all connections: it takes a hundredth of a second to read a bundle."""
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:
        raise EnvironmentFailure(
            f"the certificates in {ca_bundle} cannot be read ({error}); is the stack still running?"
        ) from error
