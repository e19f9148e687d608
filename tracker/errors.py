"""Everything the handlers can refuse or fail with, as one tree.

::

    TrackerError              base; `str(error)` is one sentence
    ├── ConfigurationError    an environment variable or a permission is wrong: a human must act
    │   └── PostForbiddenError    @connections answered 403 (C11)
    ├── PostFailedError       a frame could not be posted although the configuration is right
    ├── QueueRefusedError     SQS did not take a message
    ├── ContestedRowError     other writers kept changing the same vendor row
    ├── InvalidEventError     the function was invoked with an event it is not made for
    ├── InvalidUpdateError    a queue message, or a vendor's own, is not a vendor update
    ├── InvalidTokenError     a vendor's token opens nothing
    └── InvalidRequestError   an HTTP request cannot be answered as asked; `status` is what to answer
"""

from __future__ import annotations

from http import HTTPStatus


class TrackerError(Exception):
    """Base of all errors raised by `tracker`."""


class ConfigurationError(TrackerError):
    """The deployment is wrong (an environment variable, a permission); retrying does not help."""


class PostForbiddenError(ConfigurationError):
    """@connections answered 403: wrong stage, wrong account, or no `execute-api:ManageConnections` (C11)."""

    def __init__(self, endpoint: str, detail: str) -> None:
        super().__init__(
            f"posting to {endpoint}/@connections is forbidden ({detail}): check AWS_WEBSOCKET_URL and that the "
            "function's role allows execute-api:ManageConnections on this API and stage"
        )
        self.endpoint = endpoint
        self.detail = detail


class PostFailedError(TrackerError):
    """One frame could not be posted to one connection within the time there was."""

    def __init__(self, connection_id: str, reason: str) -> None:
        super().__init__(f"no frame could be posted to connection {connection_id!r}: {reason}")
        self.connection_id = connection_id
        self.reason = reason


class QueueRefusedError(TrackerError):
    """SQS answered a batch of messages, and refused one of them."""

    def __init__(self, queue_url: str, code: str, message: str) -> None:
        super().__init__(f"{queue_url} did not take a message: {code} {message}".rstrip())
        self.queue_url = queue_url
        self.code = code


class ContestedRowError(TrackerError):
    """A conditional write lost to other writers every time it was tried."""

    def __init__(self, table: str, key: str, attempts: int) -> None:
        super().__init__(f"row {key!r} of table {table} changed under each of {attempts} attempts to update it")
        self.table = table
        self.key = key
        self.attempts = attempts


class InvalidEventError(TrackerError):
    """The event is of a kind this function does not handle."""


class InvalidUpdateError(TrackerError):
    """The body of a message is not a vendor update; `field` says where, `problem` says what."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class InvalidTokenError(TrackerError):
    """A vendor's token opens nothing; `reason` is for the log, never for who sent it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the token is {reason}")
        self.reason = reason


class InvalidRequestError(TrackerError):
    """The client's HTTP request is wrong; the sentence is safe to send back."""

    status = HTTPStatus.BAD_REQUEST
