"""`tracker-sim token`: a vendor's token for a running stack."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.errors import InputError
from simulator.running import Note
from simulator.vendors.updates_by_hand import vendor_by_hand
from tracker.vendor_token import make_token


@dataclass(frozen=True, slots=True)
class VendorToken:
    """A token, and what it says."""

    token: str
    vendor_id: str
    expires_at_s: int
    """Epoch seconds."""
    websocket_url: str | None
    """Where it opens a connection."""


def token_for(note: Note, vendor: str, *, now_s: float, lifetime_s: int) -> VendorToken:
    """A token for `vendor` (its id, or its name as in `tracker-sim send`) on the stack of `note`.

    Raises InputError when that stack checks no tokens.
    """
    if note.vendor_token_secret is None:
        raise InputError(
            "the running stack checks no vendor tokens; the tracker's own template does, through the function that "
            "names VENDOR_TOKEN_SECRETS_PARAMETER."
        )
    vendor_id, _ = vendor_by_hand(vendor)
    expires_at_s = int(now_s) + lifetime_s
    token = make_token(vendor_id, expires_at_s=expires_at_s, secret=note.vendor_token_secret.encode())
    return VendorToken(token, vendor_id, expires_at_s, note.endpoints.websocket_url)
