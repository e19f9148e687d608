"""Event source mappings of SQS queues, with the checks Lambda makes when one is created (Q01, Q14, Q16, Q23, Q24)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from simulator.stack.filter_patterns import MAX_FILTERS, MAX_PATTERN_CHARACTERS, PatternError, check_pattern
from simulator.stack.functions import FunctionIndex
from simulator.stack.model import Queue, Trigger
from simulator.stack.queues import DEFAULT_VISIBILITY_S
from simulator.stack.resources import Properties, Resource

_MAX_BATCH = 10_000
_MAX_BATCH_WITHOUT_WINDOW = 10
_LEAST_POLLERS, _MOST_POLLERS = 2, 10_000
_HIGHEST_MINIMUM = _DEFAULT_MOST_POLLERS = 200


def build_trigger(
    resource: Resource,
    properties: Properties,
    functions: FunctionIndex,
    queues: Mapping[str, Queue],
    warnings: list[str],
) -> Trigger | None:
    """One trigger (`queues` by ARN); None, and a warning, when its source is a stream, which is not simulated."""
    source = properties.required("EventSourceArn")
    if ":sqs:" not in source:
        text = (
            f"'{source}' is not an SQS queue; its events are not simulated, so nothing invokes the function for them."
        )
        warnings.append(properties.place.at("EventSourceArn").sentence(text))
        return None
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
    maximum_concurrency = properties.inside("ScalingConfig").optional_integer("MaximumConcurrency", 2, 1_000)
    reserved = function.reserved_concurrency
    if maximum_concurrency is not None and reserved is not None and maximum_concurrency > reserved:
        text = (
            f"MaximumConcurrency {maximum_concurrency} is more than the {reserved} that {function.logical_id} has "
            "reserved, so some batches will be throttled."
        )
        warnings.append(properties.place.at("ScalingConfig").sentence(text))
    return Trigger(
        logical_id=resource.logical_id,
        queue=queue.name,
        function=function.name,
        batch_size=batch_size,
        batching_window_s=window_s,
        report_batch_item_failures=bool(responses),
        maximum_concurrency=maximum_concurrency,
        enabled=properties.flag("Enabled", default=True),
        filters=_filters(properties),
        provisioned_pollers=_provisioned_pollers(properties, maximum_concurrency),
    )


def _filters(properties: Properties) -> tuple[Mapping[str, Any], ...]:
    """The patterns of FilterCriteria, decoded and checked."""
    inside = properties.inside("FilterCriteria")
    filters = inside.items("Filters")
    if len(filters) > MAX_FILTERS:
        raise inside.error("Filters", f"are {len(filters)} and Lambda allows {MAX_FILTERS}; join some with $or.")
    patterns: list[Mapping[str, Any]] = []
    for number, item in enumerate(filters):
        place = inside.place.at("Filters").at(number).at("Pattern")
        text = item.get("Pattern") if isinstance(item, dict) else None
        if not isinstance(text, str):
            raise place.error("must be a text, the pattern as JSON.")
        if len(text) > MAX_PATTERN_CHARACTERS:
            raise place.error(f"has {len(text)} characters and Lambda allows {MAX_PATTERN_CHARACTERS}; shorten it.")
        try:
            pattern = json.loads(text)
            check_pattern(pattern)
        except PatternError as error:
            raise place.error(f"Invalid filter pattern definition: {error}; correct it.") from error
        except (ValueError, RecursionError) as error:
            raise place.error(f"Invalid filter pattern definition: it is not JSON ({error}); correct it.") from error
        patterns.append(pattern)
    return tuple(patterns)


def _provisioned_pollers(properties: Properties, maximum_concurrency: int | None) -> tuple[int, int] | None:
    """Least and most pollers of provisioned mode, which goes without MaximumConcurrency (Q16)."""
    if not properties.mapping("ProvisionedPollerConfig"):
        return None
    if maximum_concurrency is not None:
        raise properties.error("ProvisionedPollerConfig", "and MaximumConcurrency exclude each other; remove one.")
    inside = properties.inside("ProvisionedPollerConfig")
    least = inside.integer("MinimumPollers", _LEAST_POLLERS, _LEAST_POLLERS, _HIGHEST_MINIMUM)
    most = inside.integer("MaximumPollers", _DEFAULT_MOST_POLLERS, _LEAST_POLLERS, _MOST_POLLERS)
    if least > most:
        raise inside.error("MinimumPollers", f"is {least}, more than the {most} of MaximumPollers; correct one.")
    return least, most
