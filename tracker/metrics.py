"""CloudWatch metrics in the embedded metric format: one line of JSON in the log, and CloudWatch does the rest.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import time

from tracker.logs import write_line

NAMESPACE = "VendorTracker"
MAX_VALUES = 100
"""CloudWatch takes no more values of one metric in one line."""


class Metrics:
    """The metrics of one invocation, under the dimension `service`; `flush` writes them."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._units: dict[str, str] = {}
        self._values: dict[str, list[float]] = {}

    def count(self, name: str, value: int) -> None:
        """Add a number of things."""
        self._add(name, "Count", value)

    def milliseconds(self, name: str, value: float) -> None:
        """Add a duration; what is more than `MAX_VALUES` of one name is dropped."""
        self._add(name, "Milliseconds", value)

    def flush(self) -> None:
        """Write the line; nothing when nothing was added."""
        if not self._values:
            return
        definitions = [{"Name": name, "Unit": unit} for name, unit in self._units.items()]
        directive = {"Namespace": NAMESPACE, "Dimensions": [["service"]], "Metrics": definitions}
        write_line(
            {
                "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]},
                "service": self._service,
                **self._values,
            }
        )
        self._units, self._values = {}, {}

    def _add(self, name: str, unit: str, value: float) -> None:
        self._units[name] = unit
        values = self._values.setdefault(name, [])
        if len(values) < MAX_VALUES:
            values.append(value)
