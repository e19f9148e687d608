"""What a template says of asynchronous invocations: dead-letter queues, retries and destinations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from simulator.stack.functions import FunctionIndex
from simulator.stack.model import Asynchronous, Destination, Function, Queue
from simulator.stack.resources import Properties

_LONGEST_AGE_S = 21_600


def with_asynchronous(
    functions: Iterable[Function],
    properties: Mapping[str, Properties],
    configs: Iterable[Properties],
    queues: Iterable[Queue],
    warnings: list[str],
) -> tuple[Function, ...]:
    """The functions (`properties` by logical id) with their `DeadLetterConfig` and `AWS::Lambda::EventInvokeConfig`.

    A target that is not simulated is named in `warnings`; what should go there is dropped.
    """
    tied = {function.name: function for function in functions}
    index = FunctionIndex(tuple(tied.values()))
    targets = _Targets(index, {queue.arn: queue for queue in queues}, warnings)
    for name, function in tied.items():
        dead_letters = properties[function.logical_id].inside("DeadLetterConfig")
        target = targets.find(dead_letters, "TargetArn")
        if target is None:
            continue
        if target.kind != "queue":
            raise dead_letters.error("TargetArn", "must be a queue or a topic.")
        tied[name] = replace(function, asynchronous=replace(function.asynchronous, dead_letter_queue=target.name))
    for config in configs:
        function = index.find(config.required("FunctionName"), config.place.at("FunctionName"))
        destinations = config.inside("DestinationConfig")
        known = tied[function.name]
        settings = Asynchronous(
            dead_letter_queue=known.asynchronous.dead_letter_queue,
            max_retries=config.integer("MaximumRetryAttempts", 2, 0, 2),
            max_age_s=config.integer("MaximumEventAgeInSeconds", _LONGEST_AGE_S, 60, _LONGEST_AGE_S),
            on_success=targets.find(destinations.inside("OnSuccess"), "Destination"),
            on_failure=targets.find(destinations.inside("OnFailure"), "Destination"),
        )
        tied[function.name] = replace(known, asynchronous=settings)
    return tuple(tied.values())


class _Targets:
    """Finds what an ARN of this template means."""

    def __init__(self, functions: FunctionIndex, queues: Mapping[str, Queue], warnings: list[str]) -> None:
        self._functions = functions
        self._queues = queues
        self._warnings = warnings

    def find(self, properties: Properties, name: str) -> Destination | None:
        """The queue or function that the property names; None when there is none, or none that is simulated."""
        arn = properties.text(name)
        if not arn:
            return None
        if ":function:" in arn:
            return Destination("function", self._functions.find(arn, properties.place.at(name)).name)
        queue = self._queues.get(arn)
        if queue is None:
            self._warnings.append(
                properties.place.at(name).sentence(
                    f"'{arn}' is not a queue or function of this template; what should go there is dropped."
                )
            )
            return None
        if queue.fifo:
            raise properties.error(name, f"{queue.logical_id} must be a standard queue.")
        return Destination("queue", queue.name)
