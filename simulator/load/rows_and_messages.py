"""The faults that a run brings about with what it puts into the stack: rows without sockets, and poison messages.

They need no lever inside the stack, so they work on a deployed one as well.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from simulator.clock import Clock
from simulator.errors import EnvironmentFailure
from simulator.fault_kinds import POISON_BODIES
from simulator.load.faults import Fault
from tracker import aws
from tracker.updates import MAX_UPDATE_BYTES

_ROW_LIFE_S = 7_800
"""What the tracker gives a row: two hours, and some."""
_ID_BYTES = 11
_BATCH = 10


class Stack(Protocol):
    """As much of `simulator.load.stack_view.StackView` as is needed here."""

    @property
    def sqs(self) -> Any:
        """A boto3 client."""

    def connections_table(self) -> str:
        """Its name."""

    def connection_rows(self) -> int:
        """How many rows it has."""

    def vendor_queue_url(self) -> str:
        """Where updates go."""


class ContentLever:
    """See `simulator.load.fault_play.Lever`."""

    def __init__(self, stack: Stack, clock: Clock) -> None:
        self._stack = stack
        self._clock = clock
        self._sending: dict[int, tuple[asyncio.Task[None], float]] = {}
        """What is being sent over a while, and when the last of it is due."""

    @property
    def kinds(self) -> Collection[str]:
        """See `Lever.kinds`."""
        return ("stale_rows", "poison_messages")

    async def begin(self, fault: Fault, chance: Random) -> None:
        """See `Lever.begin`."""
        if fault.kind.name == "stale_rows":
            await _in_a_thread(self._write_rows, fault, chance)
            return
        bodies = poison(str(fault.attributes["body"]), int(fault.attributes["messages"]), chance)
        if fault.duration_s is None:
            await _in_a_thread(self._send, bodies)
        else:
            began_s, every_s = self._clock.monotonic_s(), fault.duration_s / len(bodies)
            task = asyncio.create_task(self._send_from(began_s, every_s, bodies))
            self._sending[id(fault)] = (task, began_s + every_s * (len(bodies) - 1))

    async def end(self, fault: Fault) -> None:
        """See `Lever.end`; what was put in is the stack's to get rid of."""
        sending = self._sending.pop(id(fault), None)
        if sending is None:
            return
        task, last_due_s = sending
        if self._clock.monotonic_s() < last_due_s:
            task.cancel()
        # What was due is sent, however slow the queue is.
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _send_from(self, began_s: float, every_s: float, bodies: Sequence[str]) -> None:
        for number, body in enumerate(bodies):
            await asyncio.sleep(began_s + number * every_s - self._clock.monotonic_s())
            await _in_a_thread(self._send, [body])

    def _write_rows(self, fault: Fault, chance: Random) -> None:
        table = self._stack.connections_table()
        share = float(fault.attributes["share"])
        count = rows_for(share, self._stack.connection_rows())
        now_ms = self._clock.wall_ms()
        connected_at_ms = now_ms - round(1_000 * float(fault.attributes["age_s"]))
        for _ in range(count):
            aws.dynamodb_add_connection(
                table,
                dead_connection_id(chance),
                connected_at_ms=connected_at_ms,
                expires_at_s=connected_at_ms // 1_000 + _ROW_LIFE_S,
            )

    def _send(self, bodies: Sequence[str]) -> None:
        url = self._stack.vendor_queue_url()
        for start in range(0, len(bodies), _BATCH):
            entries = [
                {"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[start : start + _BATCH])
            ]
            answer = self._stack.sqs.send_message_batch(QueueUrl=url, Entries=entries)
            for refused in answer.get("Failed", []):
                raise EnvironmentFailure(f"the queue did not take a message ({refused.get('Code')}).")


async def _in_a_thread(work: Callable[..., None], *arguments: Any) -> None:
    try:
        await asyncio.to_thread(work, *arguments)
    except (BotoCoreError, ClientError) as error:
        raise EnvironmentFailure(f"the stack did not take it ({error}).") from error


def rows_for(share: float, live: int) -> int:
    """How many dead rows make up `share` of a table that has `live` others; one at least."""
    return max(1, round(share / (1 - share) * live))


def dead_connection_id(chance: Random) -> str:
    """An id that could be a connection's and is none (E01)."""
    return base64.urlsafe_b64encode(chance.randbytes(_ID_BYTES)).decode("ascii")


def poison(body: str, count: int, chance: Random) -> list[str]:
    """Bodies that are no update, all different; `mixed` draws what is wrong with each."""
    kinds = POISON_BODIES[1:] if body == "mixed" else (body,)
    return [_BODIES[chance.choice(kinds)](f"{chance.getrandbits(32):08x}") for _ in range(count)]


_BODIES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "not_json": lambda mark: f"poison {mark}",
        "truncated": lambda mark: '{"id": "1", "userId": "' + mark,
        "no_object": lambda mark: json.dumps(["poison", mark]),
        "no_update": lambda mark: json.dumps({"poison": mark}),
        "wrong_types": lambda mark: json.dumps(
            {"id": 1, "userId": mark, "userName": None, "text": [], "date": True, "geo": {"coordinates": "here"}}
        ),
        "huge": lambda mark: json.dumps({"poison": mark, "text": "x" * 2 * MAX_UPDATE_BYTES}),
    }
)
