"""The token a vendor connects with: who it is and until when, signed by whoever holds the secret.

::

    v1.17.1710278398.pB0k…              version . vendor id . expiry (epoch seconds) . signature
                                        signature: HMAC-SHA256 of all before it, base64url without padding

A token needs no escaping in a URL and can be read by eye; only the signature is secret-dependent. It is for the
handshake: a connection that it opened stays that vendor's for as long as it lasts, two hours at most (L08), whatever
the expiry. To take the right away at once, change the secret and DELETE the connection.

Short-lived on purpose: a browser can put a token nowhere but into the URL, and URLs end up in access logs.

Pure: time and secrets are passed in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from tracker.errors import InvalidTokenError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LIFETIME_S = 24 * 60 * 60
"""No token is accepted that ends later than this from now: a secret that was changed can be forgotten after a day."""
MAX_TOKEN_CHARS = 256
"""Above the longest token; what is longer is not looked at."""

VENDOR_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A vendor that publishes by itself has such an id; Twitter's are digits."""
_TOKEN = re.compile(rf"(v1\.({VENDOR_ID.pattern})\.([1-9][0-9]{{0,11}}))\.([A-Za-z0-9_-]{{43}})")


def make_token(vendor_id: str, *, expires_at_s: int, secret: bytes) -> str:
    """Return the token of `vendor_id`; raises ValueError for an id that no token can carry.

    Signs any expiry (epoch seconds); that it is not too far away is checked where the token is read.
    """
    if not VENDOR_ID.fullmatch(vendor_id):
        raise ValueError(f"a vendor id is 1 to 64 letters, digits, - and _, not {vendor_id!r}")
    signed = f"v1.{vendor_id}.{expires_at_s}"
    return f"{signed}.{_signature(signed, secret)}"


def read_token(token: str, *, secrets: Iterable[bytes], now_s: float) -> str:
    """Return the vendor id of a token that any of `secrets` signed and that is valid at `now_s` (epoch seconds).

    Raises `InvalidTokenError`. Every secret is tried in constant time, and nothing of the token is believed before.
    """
    match = _TOKEN.fullmatch(token) if len(token) <= MAX_TOKEN_CHARS else None
    if match is None:
        raise InvalidTokenError("malformed")
    signed, vendor_id, expires_at_s, signature = match.groups()
    # A list, not any(): the time must not tell which secret it was.
    if True not in [hmac.compare_digest(_signature(signed, secret), signature) for secret in secrets]:
        raise InvalidTokenError("not signed with a secret that is accepted here")
    left_s = int(expires_at_s) - now_s
    if left_s <= 0:
        raise InvalidTokenError("expired")
    if left_s > MAX_LIFETIME_S:
        raise InvalidTokenError(f"valid for more than {MAX_LIFETIME_S // 3600} hours")
    return vendor_id


def _signature(signed: str, secret: bytes) -> str:
    digest = hmac.new(secret, signed.encode("ascii"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
