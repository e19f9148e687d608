"""The coroutines that carry out a plan: each has one connection and one post under way at a time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from tracker.fanout.http_client import Answer, HttpClientConnection, NoAnswerError

if TYPE_CHECKING:
    import ssl

    from tracker.fanout.endpoint import CallbackEndpoint
    from tracker.fanout.plan import Lane, Plan
    from tracker.fanout.pool import ConnectionPool
    from tracker.fanout.requests import PostRequests

ANSWER_TIMEOUT_S = 3.0
"""A post to a half-open peer may hang for tens of seconds (C20); a healthy one takes milliseconds."""


class Workers:
    """Runs one plan over one endpoint."""

    def __init__(
        self,
        plan: Plan,
        requests: PostRequests,
        pool: ConnectionPool,
        endpoint: CallbackEndpoint,
        context: ssl.SSLContext | None,
    ) -> None:
        self._plan = plan
        self._requests = requests
        self._pool = pool
        self._endpoint = endpoint
        self._context = context
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._rests: dict[Lane, asyncio.TimerHandle] = {}

    async def run(self, concurrency: int, deadline_s: float) -> None:
        """Carry the plan out with up to `concurrency` connections, until it is finished or `deadline_s` (monotonic).

        At the deadline posts under way are given up and everything not delivered has failed.
        """
        await asyncio.sleep(0)  # lets the loop see which kept connections were closed since the last broadcast
        tasks = [asyncio.create_task(self._work()) for _ in range(min(concurrency, self._plan.width))]
        if not tasks:
            return
        try:
            done, _ = await asyncio.wait(
                tasks, timeout=max(0.0, deadline_s - time.monotonic()), return_when=asyncio.FIRST_EXCEPTION
            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for timer in self._rests.values():
                timer.cancel()
        self._plan.stop()
        for task in done:
            task.result()

    async def _work(self) -> None:
        connection: HttpClientConnection | None = None
        try:
            while (lane := await self._next_lane()) is not None:
                request = self._requests.encode(lane.recipient.connection_id, self._plan.message_of(lane), time.time())
                try:
                    connection = await self._connected(connection)
                    connection, answer = await self._exchange(connection, request)
                except NoAnswerError as error:
                    rest_s = self._plan.unreachable(lane, str(error))
                else:
                    rest_s = self._plan.answered(lane, answer.status, answer.detail)
                self._after(lane, rest_s)
        finally:
            if connection is not None:
                self._pool.give_back(self._endpoint, connection)

    async def _connected(self, connection: HttpClientConnection | None) -> HttpClientConnection:
        if connection is not None and connection.reusable:
            return connection
        idle = self._pool.take_idle(self._endpoint)
        return idle if idle is not None else await self._pool.open(self._endpoint, self._context)

    async def _exchange(self, connection: HttpClientConnection, request: bytes) -> tuple[HttpClientConnection, Answer]:
        kept = connection.used
        try:
            return connection, await connection.exchange(request, ANSWER_TIMEOUT_S)
        except NoAnswerError as error:
            if not (kept and error.untouched):
                raise
        # The peer closed a kept connection just as we wrote to it. That says nothing about the post: again at once,
        # on a new connection, because the other kept ones may be just as dead.
        connection = await self._pool.open(self._endpoint, self._context)
        try:
            return connection, await connection.exchange(request, ANSWER_TIMEOUT_S)
        except BaseException:
            connection.abort()
            raise

    async def _next_lane(self) -> Lane | None:
        while not self._plan.finished:
            lane = self._plan.take()
            if lane is not None:
                return lane
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        return None

    def _after(self, lane: Lane, rest_s: float | None) -> None:
        if rest_s is not None:
            self._rests[lane] = asyncio.get_running_loop().call_later(rest_s, self._rested, lane)
        elif self._plan.finished:
            while self._waiting:
                self._wake_one()

    def _rested(self, lane: Lane) -> None:
        del self._rests[lane]
        self._plan.resume(lane)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
