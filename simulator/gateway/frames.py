"""The frames API Gateway itself sends to a client, byte for byte (M05, M07, M08).

The layout is odd on purpose: a space after the first colon and after the commas, none after the other colons, as in
every capture.
"""

from __future__ import annotations

FORBIDDEN = "Forbidden"
"""No route matched and there is no `$default` (M05)."""
INTERNAL_SERVER_ERROR = "Internal server error"
"""The integration raised, could not be invoked or was throttled (M07)."""
ENDPOINT_TIMEOUT = "Endpoint request timed out"
"""The integration took longer than its timeout; the function runs on (M08)."""


def error_frame(message: str, connection_id: str, request_id: str) -> str:
    """The text of one error frame."""
    return f'{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'


def bad_request_frame(connection_id: str, message_id: str) -> str:
    """The text of the frame for a message that does not fit its route's model; it names the message (M09)."""
    return f'{{"message": "Bad request body", "connectionId":"{connection_id}", "messageId":"{message_id}"}}'
