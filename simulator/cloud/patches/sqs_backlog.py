"""Stock moto walks through all messages of a queue for each receive, delete and change: 3.4 ms each with 10,000 queued.

It also loses the order of a FIFO queue once a visibility timeout ends (of three messages the last came first), hands
out later messages of a group whose first one is delayed, and puts those that go to the dead-letter queue through its
deduplication, which may drop them (Q18).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.sqs import models
from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend

from simulator.cloud.patches.backlog import Backlog, GroupedBacklog, State
from simulator.cloud.patches.patching import Patching
from simulator.cloud.patches.sqs_dead_letters import SOURCE

_NAME = "_backlog"
"""The attribute of a queue that has its messages."""
_LONGEST_VISIBILITY_MS = 12 * 3600 * 1000


def backlog_of(queue: Queue) -> Backlog:
    """The messages of a queue."""
    held: Backlog | None = vars(queue).get(_NAME)
    if held is None:
        held = GroupedBacklog() if queue.fifo_queue else Backlog()
        vars(queue)[_NAME] = held
    return held


def apply(patching: Patching) -> None:
    """Keep a `Backlog` where moto has a list, and look things up in it."""
    _watch_messages(patching)
    _keep_backlogs(patching)
    patching.replace(Queue, "delete_message", _delete_message)
    patching.replace(SQSBackend, "receive_message", _receive_message)
    patching.replace(SQSBackend, "change_message_visibility", _change_message_visibility)


# -- where the messages are ------------------------------------------------------------------------------------------


class _Watched:
    """An attribute of a message whose changes its backlog is told of."""

    def __init__(self, name: str, tell: Callable[[Backlog, Message, Any], None]) -> None:
        self._name = name
        self._tell = tell

    def __get__(self, message: Message, _owner: type[Message]) -> Any:
        return vars(message)[self._name]

    def __set__(self, message: Message, value: Any) -> None:
        attributes = vars(message)
        attributes[self._name] = value
        backlog = attributes.get("backlog")
        if backlog is not None:
            self._tell(backlog, message, value)


def _watch_messages(patching: Patching) -> None:
    for name in ("visible_at", "delayed_until"):
        patching.replace(Message, name, _Watched(name, lambda backlog, message, _: backlog.changed(message)))
    patching.replace(Message, "receipt_handle", _Watched("receipt_handle", Backlog.handed_out))


def _keep_backlogs(patching: Patching) -> None:
    def replace_all(self: Queue, messages: Iterable[Message]) -> None:
        vars(self).pop(_NAME, None)
        for message in messages:  # none, in stock moto; the kind of the queue is not known yet when it is made
            backlog_of(self).append(message)

    def number_in(state: State) -> property:
        return property(lambda self: backlog_of(self).count(state, time.time() * 1000))

    patching.replace(Queue, "_messages", property(backlog_of, replace_all))
    patching.replace(Queue, "approximate_number_of_messages", number_in(State.READY))
    patching.replace(Queue, "approximate_number_of_messages_delayed", number_in(State.DELAYED))
    patching.replace(Queue, "approximate_number_of_messages_not_visible", number_in(State.IN_FLIGHT))


# -- what is done to them --------------------------------------------------------------------------------------------


def _receive_message(
    self: SQSBackend,
    queue_name: str,
    count: int,
    wait_seconds_timeout: int,
    visibility_timeout: int,
    message_attribute_names: list[str] | None = None,
) -> list[Message]:
    """One look; waiting is the business of `sqs_receive`."""
    del wait_seconds_timeout
    queue = self.get_queue(queue_name)
    taken, spent = backlog_of(queue).take(count, time.time() * 1000, lambda message: _is_spent(queue, message))
    for message in spent:
        move_to_dead_letters(queue, message)
    received = []
    for message in taken:
        message.mark_received(visibility_timeout=visibility_timeout)
        shown = copy.copy(message)
        models._filter_message_attributes(shown, message_attribute_names or [])  # noqa: SLF001
        received.append(shown)
    return received


def _is_spent(queue: Queue, message: Message) -> bool:
    """Received as often as the redrive policy allows (Q13)."""
    policy: Any = vars(queue).get("redrive_policy")
    if queue.dead_letter_queue is None or not policy:
        return False
    return bool(message.approximate_receive_count >= policy["maxReceiveCount"])


def move_to_dead_letters(queue: Queue, message: Message) -> None:
    """A message that is out of its queue goes behind the others of the dead-letter queue.

    It was sent long ago, so deduplication has nothing to say about it. It bears its source (see `sqs_dead_letters`).
    """
    target = queue.dead_letter_queue
    if target is None:
        return
    vars(message)[SOURCE] = queue.queue_arn
    with target._messages_lock:  # noqa: SLF001
        backlog_of(target).append(message)
        target._messages_lock.notify_all()  # noqa: SLF001


def _delete_message(self: Queue, receipt_handle: str) -> None:
    if receipt_handle in self.deleted_messages:
        return  # again
    message = backlog_of(self).with_handle(receipt_handle)
    if message is None:
        raise ReceiptHandleIsInvalid
    backlog_of(self).remove(message)
    self.deleted_messages.update(handle for handle in message.all_receipt_handles if handle is not None)
    with self._messages_lock:  # its group may be free now, or there is room for another one in flight
        self._messages_lock.notify_all()


def _change_message_visibility(self: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
    queue = self.get_queue(queue_name)
    message = backlog_of(queue).with_handle(receipt_handle)
    if message is None:
        raise ReceiptHandleIsInvalid
    if time.time() * 1000 + int(visibility_timeout) * 1000 - message.sent_timestamp > _LONGEST_VISIBILITY_MS:
        raise InvalidParameterValue(
            f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Total "
            "VisibilityTimeout for the message is beyond the limit [43200 seconds]"
        )
    message.change_visibility(visibility_timeout)
    with queue._messages_lock:  # noqa: SLF001
        queue._messages_lock.notify_all()  # noqa: SLF001
