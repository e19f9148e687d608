"""Carries out a plan: as many posts under way as the window allows, each answer at once followed by the next post."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tracker.fanout.plan import NO_TIME_LEFT
from tracker.fanout.pool import NoConnectionError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from tracker.fanout.endpoint import CallbackEndpoint
    from tracker.fanout.plan import Lane, Plan, Recipient
    from tracker.fanout.pool import ConnectionPool
    from tracker.fanout.post_connection import PostConnection
    from tracker.fanout.requests import PostRequests
    from tracker.fanout.window import Window

ANSWER_TIMEOUT_S = 3.0
"""A post to a half-open peer may hang for tens of seconds (C20); a healthy one takes milliseconds."""
_LOOK_EVERY_S = 0.25
"""How often posts under way are looked over for one that takes too long: one timer for all of them."""
_LOOK_EVERY_ANSWERS = 256
"""How often, at least, the one who reads the table hears of progress."""
_OK = 200
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


class Engine:
    """Runs one plan over one endpoint, on one event loop. All methods are called there."""

    def __init__(
        self,
        plan: Plan,
        requests: PostRequests,
        pool: ConnectionPool,
        endpoint: CallbackEndpoint,
        context: ssl.SSLContext | None,
        window: Window,
        *,
        on_gone: Callable[[list[str]], None],
        on_progress: Callable[[int], None],
    ) -> None:
        """`on_gone` gets ids whose rows can go, `on_progress` the number of recipients still open now and then."""
        self._plan = plan
        self._requests = requests
        self._pool = pool
        self._endpoint = endpoint
        self._context = context
        self._window = window
        self._on_gone = on_gone
        self._on_progress = on_progress
        self._loop = asyncio.get_running_loop()
        self._posting: set[PostConnection] = set()
        self._free: list[PostConnection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._resting: dict[Lane, asyncio.TimerHandle] = {}
        self._finished = asyncio.Event()
        self._answers = 0
        self._stopped = False

    async def run(self, deadline_s: float) -> None:
        """Return when the plan is finished or at `deadline_s` (on `time.monotonic`), whichever comes first.

        At the deadline posts under way are given up and everything not delivered has failed.
        """
        await asyncio.sleep(0)  # lets the loop see which kept connections were closed since the last broadcast
        looking = self._loop.call_later(_LOOK_EVERY_S, self._look_over)
        self._look_timer = looking
        try:
            self._go_on()
            async with asyncio.timeout(max(0.0, deadline_s - time.monotonic())):
                await self._finished.wait()
        except TimeoutError:
            self._plan.stop(NO_TIME_LEFT)
        finally:
            await self._stop()

    def add(self, recipients: Iterable[Recipient]) -> None:
        """Take more recipients, while running or after it."""
        self._plan.add(recipients)
        self._go_on()

    def no_more(self) -> None:
        """Say that all recipients have been added."""
        self._plan.no_more()
        self._go_on()

    # -- Owner -----------------------------------------------------------------------------------------------------

    def on_answer(self, connection: PostConnection, status: int, detail: str) -> None:
        """See `Owner`."""
        plan, now_s = self._plan, self._loop.time()
        lane: Lane = connection.load
        rest_s = plan.answered(lane, status, detail)
        refused = status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR
        self._window.answered(now_s - connection.sent_s, refused=refused)
        if rest_s is not None:
            self._rest(lane, rest_s)
        if connection.reusable and len(self._posting) <= self._window.size and (following := plan.take()) is not None:
            # The usual case, and the whole of the hot path.
            self._post(connection, following, now_s)
        else:
            self._posting.discard(connection)
            if connection.reusable:
                self._free.append(connection)
        self._answers += 1
        if (
            status != _OK
            or not plan.ready
            or len(self._posting) < self._window.size
            or not self._answers % _LOOK_EVERY_ANSWERS
        ):
            self._go_on()

    def on_no_answer(self, connection: PostConnection, reason: str, *, untouched: bool) -> None:
        """See `Owner`."""
        lane: Lane = connection.load
        self._posting.discard(connection)
        if untouched and connection.posts > 1:
            # The peer closed a kept connection just as we wrote to it. That says nothing about the post: again at
            # once, on a new connection, because the other kept ones may be just as dead.
            self._open_for(lane)
        else:
            self._window.answered(self._loop.time() - connection.sent_s, refused=True)
            self._after(lane, self._plan.unreachable(lane, reason))
        self._go_on()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Start as many posts as the window has room for, and see whether all is done."""
        plan = self._plan
        if self._stopped:
            return
        while plan.ready and len(self._posting) + len(self._opening) < self._window.size:
            lane = plan.take()
            if lane is None:
                break
            connection = self._idle_connection()
            if connection is None:
                self._open_for(lane)
            else:
                self._post(connection, lane, self._loop.time())
        gone = plan.take_gone()
        if gone:
            self._on_gone(gone)
        self._on_progress(plan.open_lanes)
        if plan.finished:
            self._finished.set()

    def _idle_connection(self) -> PostConnection | None:
        while self._free:
            connection = self._free.pop()
            if connection.reusable:
                return connection
        return self._pool.take_idle(self._endpoint)

    def _post(self, connection: PostConnection, lane: Lane, now_s: float) -> None:
        connection.load = lane
        self._posting.add(connection)
        request = self._requests.encode(lane.recipient.connection_id, self._plan.message_of(lane), time.time())
        connection.post(request, self, now_s)

    def _open_for(self, lane: Lane) -> None:
        task = self._loop.create_task(self._open_and_post(lane))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_and_post(self, lane: Lane) -> None:
        began_s = self._loop.time()
        try:
            connection = await self._pool.open(self._endpoint, self._context)
        except NoConnectionError as error:
            self._window.answered(self._loop.time() - began_s, refused=True)
            self._after(lane, self._plan.unreachable(lane, str(error)))
            self._loop.call_soon(self._go_on)  # once this task no longer counts
            return
        if self._stopped or lane.closed:
            self._free.append(connection)
        else:
            self._post(connection, lane, self._loop.time())

    def _after(self, lane: Lane, rest_s: float | None) -> None:
        if rest_s is not None:
            self._rest(lane, rest_s)

    def _rest(self, lane: Lane, rest_s: float) -> None:
        self._resting[lane] = self._loop.call_later(rest_s, self._rested, lane)

    def _rested(self, lane: Lane) -> None:
        del self._resting[lane]
        self._plan.resume(lane)
        self._go_on()

    def _look_over(self) -> None:
        """Give up on posts that have had no answer for too long."""
        oldest_s = self._loop.time() - ANSWER_TIMEOUT_S
        for connection in [each for each in self._posting if each.sent_s < oldest_s]:
            connection.give_up(f"no answer within {ANSWER_TIMEOUT_S:.1f} s")
        self._look_timer = self._loop.call_later(_LOOK_EVERY_S, self._look_over)

    async def _stop(self) -> None:
        self._stopped = True
        self._look_timer.cancel()
        for timer in self._resting.values():
            timer.cancel()
        opening = list(self._opening)
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for connection in self._posting:
            connection.abort()
        gone = self._plan.take_gone()
        if gone:
            self._on_gone(gone)
        for connection in self._free:
            self._pool.give_back(self._endpoint, connection)
