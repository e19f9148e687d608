"""The door to the fan-out: one blocking call for one batch of messages."""

from __future__ import annotations

import os
import random
import ssl
from functools import cache
from typing import TYPE_CHECKING

from tracker.errors import ConfigurationError, PostForbiddenError
from tracker.fanout.loop_thread import close, shared_loop
from tracker.fanout.plan import Plan
from tracker.fanout.requests import PostRequests
from tracker.fanout.retry import RetryPolicy
from tracker.fanout.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracker.fanout.endpoint import CallbackEndpoint
    from tracker.fanout.outcome import BroadcastOutcome
    from tracker.fanout.plan import Message, Recipient
    from tracker.fanout.sigv4 import Credentials

__all__ = ["broadcast", "close"]


def broadcast(
    endpoint: CallbackEndpoint,
    *,
    messages: Sequence[Message],
    recipients: Sequence[Recipient],
    credentials: Credentials,
    region: str,
    concurrency: int,
    deadline_s: float,
    policy: RetryPolicy | None = None,
) -> BroadcastOutcome:
    """Post every message to every recipient and say what became of it.

    Each recipient gets the messages in order, one at a time; recipients do not wait for each other. Returns by
    `deadline_s` (on `time.monotonic`) with what is not delivered by then as failed. Raises `PostForbiddenError` when
    @connections answers 403, `ConfigurationError` when `AWS_CA_BUNDLE` cannot be used.
    """
    plan = Plan(messages, recipients, policy or RetryPolicy(), random.uniform)  # jitter, not secrets
    if not plan.finished:
        context = _tls_context(os.environ.get("AWS_CA_BUNDLE") or None) if endpoint.tls else None
        requests = PostRequests(endpoint, credentials, region)
        loop = shared_loop()
        loop.run(Workers(plan, requests, loop.pool, endpoint, context).run(concurrency, deadline_s))
    outcome = plan.outcome()
    if outcome.forbidden is not None:
        raise PostForbiddenError(endpoint.url, outcome.forbidden)
    return outcome


@cache
def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:
        raise ConfigurationError(f"AWS_CA_BUNDLE: {ca_bundle!r} holds no usable certificates ({error})") from error
