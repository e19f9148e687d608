"""Whether a callback is signed as AWS wants it: Signature Version 4, checked only when asked for (C03, C11).

The canonical path is encoded once more than it is on the wire (`/stage/%40connections/id%253D` for botocore's
`/stage/@connections/id%3D`), which signers get wrong easily; a mismatch is answered with the strings that should have
been signed, as AWS does. botocore says what is signed and how: it is the reference for everybody else's signer, the
tracker's own included.

Source: Signature Version 4 documentation, "Create a signed AWS API request", and the error texts of API Gateway.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from simulator.http11 import HttpRequest

SERVICE = "execute-api"
MAX_SKEW_S = 300
"""A signature is good for five minutes, before and after."""
_CONTENT_HASH = "x-amz-content-sha256"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)"
    r"/aws4_request"
    r" *, *SignedHeaders=(?P<headers>[^,\s]+) *, *Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class SignatureFault:
    """Why a request is refused with 403."""

    error_type: str
    message: str


class Signatures:
    """Checks requests against access keys and their secrets. Pure: the time is an argument."""

    def __init__(self, secrets: Mapping[str, str], *, region: str, unsigned_message: str) -> None:
        self._secrets = secrets
        self._region = region
        self._unsigned = SignatureFault("MissingAuthenticationTokenException", unsigned_message)

    def fault(self, request: HttpRequest, now_ms: int) -> SignatureFault | None:
        """What is wrong with the signature of a request, or None when it is good."""
        authorization = request.header("authorization")
        if authorization is None:
            return self._unsigned
        found = _AUTHORIZATION.fullmatch(authorization.strip())
        if found is None:
            return SignatureFault("IncompleteSignatureException", "The Authorization header is not of Signature V4.")
        if found["service"] != SERVICE:
            return SignatureFault(
                "InvalidSignatureException", f"Credential should be scoped to correct service: '{SERVICE}'."
            )
        if found["region"] != self._region:
            return SignatureFault("InvalidSignatureException", "Credential should be scoped to a valid region.")
        secret = self._secrets.get(found["key"])
        if secret is None:
            return SignatureFault(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        timestamp = request.header("x-amz-date") or ""
        stale = _staleness(timestamp, found["date"], now_ms)
        if stale is not None:
            return stale
        signed = found["headers"].split(";")
        if "host" not in signed or "x-amz-date" not in signed:
            return SignatureFault("IncompleteSignatureException", "'host' and 'x-amz-date' must be signed headers.")
        return self._mismatch(request, Credentials(found["key"], secret), timestamp, signed, found["signature"])

    def _mismatch(
        self, request: HttpRequest, credentials: Credentials, timestamp: str, signed: list[str], signature: str
    ) -> SignatureFault | None:
        claimed = request.header(_CONTENT_HASH) if _CONTENT_HASH in signed else None
        if claimed not in (None, hashlib.sha256(request.body).hexdigest()):
            return SignatureFault("InvalidSignatureException", f"{_CONTENT_HASH} does not match what was computed.")
        again = AWSRequest(
            method=request.method,
            url=f"https://gateway{request.target}",  # the host that counts is among the headers
            headers={name: request.header(name) or "" for name in signed},
            data=request.body,
        )
        again.context["timestamp"] = timestamp
        signer = _Signer(credentials, SERVICE, self._region)
        canonical = signer.canonical_request(again)
        to_sign = signer.string_to_sign(again, canonical)
        if hmac.compare_digest(signer.signature(to_sign, again), signature):
            return None
        return SignatureFault(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.\n\n"
            f"The Canonical String for this request should have been\n'{canonical}'\n\n"
            f"The String-to-Sign should have been\n'{to_sign}'\n",
        )


class _Signer(SigV4Auth):  # type: ignore[misc]  # botocore ships no types
    """botocore's signer over exactly the headers that the client signed."""

    def headers_to_sign(self, request: Any) -> Any:
        from botocore.compat import HTTPHeaders  # noqa: PLC0415  where botocore's own signer has it from

        headers = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name.lower()] = value
        return headers

    def signature(self, string_to_sign: str, request: Any) -> str:
        key = _signing_key(
            self.credentials.secret_key, request.context["timestamp"][:8], self._region_name, self._service_name
        )
        return hmac.new(key, string_to_sign.encode(), hashlib.sha256).hexdigest()


@functools.lru_cache(maxsize=16)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The same for all requests of one day; botocore derives it anew each time."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _staleness(timestamp: str, scope_date: str, now_ms: int) -> SignatureFault | None:
    try:
        signed_at = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return SignatureFault("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.")
    if timestamp[:8] != scope_date:
        return SignatureFault(
            "InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from X-Amz-Date."
        )
    if abs(signed_at.timestamp() - now_ms / 1000) > MAX_SKEW_S:
        return SignatureFault(
            "InvalidSignatureException", f"Signature expired: {timestamp} is more than 5 min from now."
        )
    return None
