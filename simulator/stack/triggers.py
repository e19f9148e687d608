"""Event source mappings of SQS queues, with the checks Lambda makes when one is created (Q01, Q14, Q16, Q24)."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.stack.functions import FunctionIndex
from simulator.stack.model import Queue, Trigger
from simulator.stack.queues import DEFAULT_VISIBILITY_S
from simulator.stack.resources import Properties, Resource

_MAX_BATCH = 10_000
_MAX_BATCH_WITHOUT_WINDOW = 10


def build_trigger(
    resource: Resource, properties: Properties, functions: FunctionIndex, queues: Mapping[str, Queue]
) -> Trigger | str:
    """One trigger (`queues` by ARN), or a warning when its source is a stream, which is not simulated."""
    source = properties.required("EventSourceArn")
    if ":sqs:" not in source:
        text = (
            f"'{source}' is not an SQS queue; its events are not simulated, so nothing invokes the function for them."
        )
        return properties.place.at("EventSourceArn").sentence(text)
    queue = queues.get(source)
    if queue is None:
        raise properties.error(
            "EventSourceArn",
            f"'{source}' is not a queue of this template: SQS Error Code: "
            "AWS.SimpleQueueService.NonExistentQueue; add the queue or correct the reference.",
        )
    function = functions.find(properties.required("FunctionName"), properties.place.at("FunctionName"))
    batch_size = properties.integer("BatchSize", 10, 1, _MAX_BATCH_WITHOUT_WINDOW if queue.fifo else _MAX_BATCH)
    window_s = properties.integer("MaximumBatchingWindowInSeconds", 0, 0, 300)
    if queue.fifo and window_s:
        raise properties.error("MaximumBatchingWindowInSeconds", "is not for FIFO queues; remove it.")
    if batch_size > _MAX_BATCH_WITHOUT_WINDOW and not window_s:
        raise properties.error(
            "BatchSize",
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10; "
            "set MaximumBatchingWindowInSeconds.",
        )
    visibility_s = int(queue.attributes.get("VisibilityTimeout", DEFAULT_VISIBILITY_S))
    if visibility_s < function.timeout_s:
        raise properties.place.error(
            f"Queue visibility timeout: {visibility_s} seconds is less than Function timeout: {function.timeout_s} "
            f"seconds; raise VisibilityTimeout of {queue.logical_id} or lower Timeout of {function.logical_id}."
        )
    responses = properties.texts("FunctionResponseTypes")
    if any(response != "ReportBatchItemFailures" for response in responses):
        raise properties.error("FunctionResponseTypes", "can only be ReportBatchItemFailures.")
    return Trigger(
        logical_id=resource.logical_id,
        queue=queue.name,
        function=function.name,
        batch_size=batch_size,
        batching_window_s=window_s,
        report_batch_item_failures=bool(responses),
        maximum_concurrency=properties.inside("ScalingConfig").optional_integer("MaximumConcurrency", 2, 1_000),
        enabled=properties.flag("Enabled", default=True),
    )
