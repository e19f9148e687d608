"""Someone opens a WebSocket: a viewer, or a vendor who wants to publish.

Trigger: the REQUEST authorizer of `$connect`; it runs before `tracker.connect`, and only there (A01). Event: REQUEST
(A04). A vendor brings a token (`tracker.vendor_token`) in the query as `token=…`, which is all that a browser can do,
or as `Authorization: Bearer …`; a viewer brings none. The API names no identity source: with one, API Gateway would
refuse every viewer with 401 before this runs (A02).
Result: a policy that allows this connection, with `principalId` `viewer` and no context, or `vendor/{id}` and the
context `{"vendorId": id}`, which API Gateway hands to every later event of the connection (A05). Nothing is authorised
again after the handshake (A07): `tracker.publish_vendor` looks at that context on every message.

A token that is malformed, forged, expired or one of several is answered with a Deny, and the handshake with 403 (A03):
never with a viewer's connection, which would look like success. Not with the exception `Unauthorized` (401), because
each forged token would count as an error of the function in CloudWatch and hide the errors that somebody has to act on.
Failures: raises when the secrets cannot be had or are misconfigured, and the handshake is answered with 500 (A03).
Viewers do not depend on them.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from tracker.errors import InvalidTokenError
from tracker.logs import request_log
from tracker.metrics import Metrics
from tracker.settings import read_settings
from tracker.token_secrets import token_secrets
from tracker.vendor_token import read_token

if TYPE_CHECKING:
    from tracker.events import AuthorizerEvent, AuthorizerResult, Context

VIEWER = "viewer"
NOBODY = "nobody"
"""The principal of a refusal; a result without one would be a fault of the authorizer (A03)."""


def handler(event: AuthorizerEvent, context: Context | None) -> AuthorizerResult:
    """Let in viewers, and vendors whose token is good."""
    log = request_log(context, connection_id=event["requestContext"]["connectionId"])
    try:
        token = _token(event)
        if token is None:
            return _result("Allow", VIEWER, event)
        vendor_id = read_token(token, secrets=token_secrets(read_settings()), now_s=time.time())
    except InvalidTokenError as error:
        log.warning("a token was refused", reason=error.reason)
        metrics = Metrics("authorize")
        metrics.count("TokensRefused", 1)
        metrics.flush()
        return _result("Deny", NOBODY, event)
    log.info("a vendor may connect", vendor_id=vendor_id)
    return {**_result("Allow", f"vendor/{vendor_id}", event), "context": {"vendorId": vendor_id}}


def _token(event: AuthorizerEvent) -> str | None:
    """Return what was sent as a token, as it is; None when nothing was. Raises `InvalidTokenError` for several."""
    sent = list((event.get("multiValueQueryStringParameters") or {}).get("token", ()))
    for name, values in (event.get("multiValueHeaders") or {}).items():
        if name.lower() == "authorization":  # names keep the client's casing (E08)
            sent.extend(re.sub("(?i)^bearer +", "", value) for value in values)
    if len(sent) > 1:
        raise InvalidTokenError(f"one of {len(sent)}, and it is not clear which is meant")
    return sent[0] if sent else None


def _result(effect: str, principal_id: str, event: AuthorizerEvent) -> AuthorizerResult:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {"principalId": principal_id, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
