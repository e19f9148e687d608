"""SQS queues: CloudFormation's properties into `create_queue` attributes and a redrive policy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from simulator.stack.model import Queue
from simulator.stack.names import StackReferences
from simulator.stack.place import Place
from simulator.stack.resources import Properties, Resource

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FIFO_SUFFIX = ".fifo"

_RANGES: Mapping[str, tuple[int, int]] = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
"""Source: SQS CreateQueue, and (Q22) for the message size."""

DEFAULT_VISIBILITY_S = 30


def build_queue(resource: Resource, properties: Properties, names: StackReferences) -> Queue:
    """One queue, its redrive policy not yet tied to a queue of the stack (see `tie_dead_letter_queues`)."""
    fifo = properties.flag("FifoQueue")
    name = names.name(resource)
    stem = name.removesuffix(_FIFO_SUFFIX) if fifo else name
    if fifo and stem == name:
        raise properties.error("QueueName", f"'{name}' must end in .fifo, since FifoQueue is true.")
    if not _NAME.fullmatch(stem):
        raise properties.error("QueueName", f"'{name}' must be 1 to 80 letters, digits, underscores and hyphens.")
    attributes: dict[str, str] = {}
    for attribute, (low, high) in _RANGES.items():
        number = properties.optional_integer(attribute, low, high)
        if number is not None:
            attributes[attribute] = str(number)
    attributes |= _fifo_attributes(properties, fifo=fifo)
    return Queue(
        logical_id=resource.logical_id,
        name=name,
        url=names.queue_url(resource),
        arn=names.queue_arn(name),
        attributes=attributes,
        fifo=fifo,
    )


def _fifo_attributes(properties: Properties, *, fifo: bool) -> dict[str, str]:
    """What only FIFO queues have; refused on others."""
    attributes = {"FifoQueue": "true"} if fifo else {}
    for attribute in ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"):
        text = properties.text(attribute)
        if text in ("", "false"):
            continue
        if not fifo:
            raise properties.error(attribute, "is for FIFO queues only; set FifoQueue or remove it.")
        attributes[attribute] = text
    return attributes


def tie_dead_letter_queues(queues: Mapping[str, Queue], properties: Mapping[str, Properties]) -> tuple[Queue, ...]:
    """The same queues (by logical id) with their redrive policies, which may only name queues of this stack."""
    by_arn = {queue.arn: queue for queue in queues.values()}
    tied = tuple(_tied(queue, properties[logical_id], by_arn) for logical_id, queue in queues.items())
    target = {queue.name: queue.dead_letter_queue for queue in tied}
    for queue in tied:
        seen, name = {queue.name}, queue.dead_letter_queue
        while name is not None:
            if name in seen:
                place = properties[queue.logical_id].place.at("RedrivePolicy")
                raise place.error("sends messages round in a circle of dead-letter queues; break it.")
            seen.add(name)
            name = target[name]
    return tied


def _tied(queue: Queue, properties: Properties, by_arn: Mapping[str, Queue]) -> Queue:
    value = properties.value("RedrivePolicy")
    if value is None:
        return queue
    place = properties.place.at("RedrivePolicy")
    policy = Properties(_policy(value, place), lambda item, _place: item, place)
    arn = policy.required("deadLetterTargetArn")
    target = by_arn.get(arn)
    if target is None:
        raise policy.error("deadLetterTargetArn", f"'{arn}' is not a queue of this template; add that queue.")
    if target.fifo != queue.fifo:
        kind = "a FIFO queue" if queue.fifo else "a standard queue"
        raise policy.error("deadLetterTargetArn", f"{target.logical_id} must be {kind} like {queue.logical_id}.")
    policy.required("maxReceiveCount")
    return replace(
        queue, dead_letter_queue=target.name, max_receive_count=policy.integer("maxReceiveCount", 1, 1, 1_000)
    )


def _policy(value: object, place: Place) -> dict[str, object]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, dict):
        raise place.error("must be a mapping with deadLetterTargetArn and maxReceiveCount.")
    return value
