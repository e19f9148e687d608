"""Every figure that an expectation may ask for: its name is its path in the verdict, its unit and what it is."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a verdict."""

    name: str
    unit: str
    help: str
    of_phase: bool = False
    """Also known for each phase."""
    of_group: bool = False
    """Also known for each group of subscribers."""


_DELIVERIES = (
    ("expected", "updates, once for each subscriber who should have them"),
    ("received", "of those, the ones that came"),
    ("lost", "of those, the ones that never came"),
    ("cut_off", "missed by subscribers who left on purpose, or whose broken connection was to come back, just after"),
    ("duplicated", "copies after the first"),
    ("reordered", "first copies that came after a newer update of the same vendor"),
)
_OF_NO_GROUP = ("duplicated", "reordered")
_LEVELS = ("p50", "p90", "p99", "p999", "max")
_TO = {"all": "over all deliveries", "first": "to the first subscriber of each update", "last": "to the last one"}


def _all() -> Iterator[Metric]:
    yield Metric("updates.planned", "updates", "what the scenario was to publish", of_phase=True)
    yield Metric("updates.published", "updates", "taken by the queue", of_phase=True)
    yield Metric("updates.broadcast", "updates", "seen by at least one subscriber", of_phase=True)
    yield Metric("updates.dead_lettered", "updates", "in the dead-letter queue because of this run")
    for name, text in _DELIVERIES:
        yield Metric(f"deliveries.{name}", "deliveries", text, of_phase=True, of_group=name not in _OF_NO_GROUP)
    yield Metric("deliveries.altered", "frames", "updates that came with another content than was published")
    yield Metric("deliveries.unexpected", "frames", "updates that came and were never published")
    yield Metric("deliveries.late", "frames", "first copies that came after they had been given up as lost")
    for path, since in (("latency_ms", "from the due time"), ("latency_ms.uncorrected", "from the call to SQS")):
        for of, text in _TO.items():
            for level in _LEVELS:
                about = f"latency {text}, {since}"
                yield Metric(f"{path}.{of}.{level}", "milliseconds", about, of_phase=True, of_group=True)
    yield Metric("final_positions.checked", "positions", "last positions on the subscribers' maps")
    yield Metric("final_positions.wrong", "positions", "of those, the ones that are not the truth")
    yield Metric("invocations.total", "invocations", "of all functions during the run")
    yield Metric("invocations.errors", "invocations", "that raised, timed out or died")
    yield Metric("connections.asked", "subscribers", "who were to come")
    yield Metric("connections.opened", "handshakes", "that succeeded")
    yield Metric("connections.refused", "handshakes", "that failed, or were not followed by a picture (`snapshot`)")
    yield Metric("connections.dropped", "sockets", "that closed although the subscriber did not leave")
    yield Metric("connections.reconnected", "handshakes", "of those that succeeded, by subscribers who came back")
    yield Metric("connections.peak", "subscribers", "connected at once, at most")
    yield Metric(
        "connections.rows_without_socket",
        "rows",
        "in the connections table at the end, beyond the sockets that are open",
    )
    yield Metric("frames.total", "frames", "that came, of any kind")
    yield Metric("frames.errors", "frames", "error frames of the gateway")
    yield Metric("frames.strange", "frames", "that are neither")
    yield Metric("rates.asked_updates_per_s", "updates per second", "on average, as planned", of_phase=True)
    yield Metric("rates.achieved_updates_per_s", "updates per second", "on average, as they left", of_phase=True)
    yield Metric("rates.deliveries_per_s", "deliveries per second", "on average, over the run")
    yield Metric("queue.most_queued", "messages", "waiting in the vendor queue, at most (looked at once a second)")
    yield Metric("queue.most_in_flight", "messages", "received and not yet deleted, at most")
    yield Metric("load.producer_lag_ms.p99", "milliseconds", "how late updates left, by the load's own fault")
    yield Metric("load.producer_lag_ms.max", "milliseconds", "the longest of it")
    yield Metric(
        "load.loop_lag_ms.p99", "milliseconds", "how late arrivals may have been noted, by the load's own fault"
    )
    yield Metric("load.loop_lag_ms.max", "milliseconds", "the longest of it")
    yield Metric("load.cpu_us_per_delivery", "microseconds", "CPU time of the load for each delivery")
    yield Metric("load.memory_mb.max", "megabytes", "of the load's process, at most")
    yield Metric("stack.memory_mb.max", "megabytes", "of all processes of a local stack together, at most")
    yield Metric("stack.memory_mb.growth", "megabytes", "from the second quarter of the run to its last, medians")
    yield Metric("stack.descriptors.max", "files", "open in all processes of a local stack together, at most")
    yield Metric("stack.descriptors.growth", "files", "from the second quarter of the run to its last, medians")


METRICS: Mapping[str, Metric] = MappingProxyType({each.name: each for each in _all()})
"""By name, in the order in which they are listed."""
GROUPS = "groups."
"""Before a group's name and a metric: `groups.slow.deliveries.lost`."""


def nearest(name: str) -> str:
    """The metric whose name is most like it: the whole of it first, then its last part."""
    close = difflib.get_close_matches(name, METRICS, n=1, cutoff=0.5)
    if close:
        return close[0]
    tail = name.rpartition(".")[2]
    return next((each for each in METRICS if each.rpartition(".")[2] == tail), "deliveries.lost")


def value_in(document: Mapping[str, Any], name: str) -> float | None:
    """The figure at the path `name` of a verdict (or of a phase or group of one); None where it is not known."""
    value: Any = document
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
