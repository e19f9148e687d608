"""The door to the fan-out: one batch of messages to recipients that may still be coming.

::

    with Broadcast(endpoint, messages=…, …) as broadcast:
        for page in pages:
            if not broadcast.add(recipients_of(page)):
                break
    outcome = broadcast.outcome

Posting runs on the loop's own thread, from the first recipients on, while the handler's thread reads the next page.
"""

from __future__ import annotations

import os
import random
import ssl
import threading
import time
from concurrent.futures import wait
from functools import cache
from typing import TYPE_CHECKING, Self

from tracker.errors import ConfigurationError, PostForbiddenError
from tracker.fanout.engine import Engine
from tracker.fanout.loop_thread import close, shared_loop
from tracker.fanout.plan import Plan
from tracker.fanout.requests import PostRequests
from tracker.fanout.retry import RetryPolicy
from tracker.fanout.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from tracker.fanout.endpoint import CallbackEndpoint
    from tracker.fanout.outcome import BroadcastOutcome
    from tracker.fanout.plan import Message, Recipient
    from tracker.fanout.sigv4 import Credentials

__all__ = ["Broadcast", "broadcast", "close"]

MAX_OPEN_RECIPIENTS = 20_000
"""Recipients that may wait to be posted to; reading the table waits above it, so that memory stays bounded."""
CREDENTIALS_EVERY_S = 30.0
"""How often credentials are asked for again: botocore renews them ten minutes before they end, and an invocation may
take fifteen."""


class Broadcast:
    """See the module's first lines. Raises `ConfigurationError` when `AWS_CA_BUNDLE` cannot be used."""

    def __init__(
        self,
        endpoint: CallbackEndpoint,
        *,
        messages: Sequence[Message],
        credentials: Callable[[], Credentials],
        region: str,
        concurrency: int,
        deadline_s: float,
        policy: RetryPolicy | None = None,
        on_gone: Callable[[list[str]], None] = lambda _: None,
    ) -> None:
        """`concurrency` is the most posts under way at a time, `deadline_s` is on `time.monotonic`.

        `credentials` is called now and then, on the thread that adds the recipients, and may take its time. `on_gone`
        hears of connections that answered 410 or 400 while posting goes on; it must not block.
        """
        self._endpoint = endpoint
        self._context = _tls_context(os.environ.get("AWS_CA_BUNDLE") or None) if endpoint.tls else None
        self._credentials = credentials
        self._credentials_s = time.monotonic()
        self._requests = PostRequests(endpoint, credentials(), region)
        self._plan = Plan(messages, policy or RetryPolicy(), random.uniform)  # jitter, not secrets
        self._concurrency = concurrency
        self._deadline_s = deadline_s
        self._on_gone = on_gone
        self._open_recipients = 0
        self._room = threading.Condition()
        self._loop = shared_loop()
        self._engine: Engine
        self._running: Future[None]

    def __enter__(self) -> Self:
        started = threading.Event()

        async def run() -> None:
            self._engine = Engine(
                self._plan,
                self._requests,
                self._loop.pool,
                self._endpoint,
                self._context,
                Window(self._concurrency),
                on_gone=self._on_gone,
                on_progress=self._note_progress,
            )
            started.set()
            try:
                await self._engine.run(self._deadline_s)
            finally:
                self._note_progress(0)

        self._running = self._loop.start(run())
        started.wait()
        return self

    def add(self, recipients: Sequence[Recipient]) -> bool:
        """Post to these as well; waits while too many are waiting. False when it is of no use to go on."""
        with self._room:
            self._room.wait_for(
                lambda: self._open_recipients < MAX_OPEN_RECIPIENTS or self._running.done(),
                timeout=max(0.0, self._deadline_s - time.monotonic()),
            )
            self._open_recipients += len(recipients)
        self._loop.call(self._engine.add, recipients)
        self._renew_credentials()
        return not self._running.done() and time.monotonic() < self._deadline_s

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._running.cancel()
            return
        self._loop.call(self._engine.no_more)
        try:
            while not wait((self._running,), CREDENTIALS_EVERY_S).done:
                self._renew_credentials()
            self._running.result()
        except BaseException:
            self._running.cancel()
            raise

    @property
    def outcome(self) -> BroadcastOutcome:
        """What became of it, once the block has ended; raises `PostForbiddenError` when @connections answered 403."""
        outcome = self._plan.outcome()
        if outcome.forbidden is not None:
            raise PostForbiddenError(self._endpoint.url, outcome.forbidden)
        return outcome

    def _renew_credentials(self) -> None:
        # Here and not on the loop: botocore may have to ask for new ones, and posting goes on meanwhile.
        now_s = time.monotonic()
        if now_s - self._credentials_s >= CREDENTIALS_EVERY_S:
            self._credentials_s = now_s
            self._loop.call(self._requests.renew, self._credentials())

    def _note_progress(self, open_recipients: int) -> None:
        """Called on the loop's thread."""
        if open_recipients < MAX_OPEN_RECIPIENTS <= self._open_recipients:
            with self._room:
                self._open_recipients = open_recipients
                self._room.notify()
        self._open_recipients = open_recipients


def broadcast(
    endpoint: CallbackEndpoint,
    *,
    messages: Sequence[Message],
    recipients: Sequence[Recipient],
    credentials: Callable[[], Credentials],
    region: str,
    concurrency: int,
    deadline_s: float,
    policy: RetryPolicy | None = None,
) -> BroadcastOutcome:
    """Post every message to recipients that are all known, and say what became of it; see `Broadcast`.

    Each recipient gets the messages in order, one at a time; recipients do not wait for each other. Returns by
    `deadline_s` with what is not delivered by then as failed.
    """
    with Broadcast(
        endpoint,
        messages=messages,
        credentials=credentials,
        region=region,
        concurrency=concurrency,
        deadline_s=deadline_s,
        policy=policy,
    ) as running:
        running.add(recipients)
    return running.outcome


@cache
def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:
        raise ConfigurationError(f"AWS_CA_BUNDLE: {ca_bundle!r} holds no usable certificates ({error})") from error
