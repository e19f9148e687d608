"""From SQS to every viewer, through the whole stack: first, median and last delivery, and how many a second for long.

Beside ours runs a second stack with the same map as most people write it (`apps/reference`: pages of 25 rows, boto3 by
32 threads), and they take turns. The viewers are raw sockets in this process, the stacks processes of their own
without AWS's throttles; two cores are all there is for everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from instruments.contest import clocks, rounds_of
from instruments.results import WALL_TOLERANCE, Group, Role
from instruments.stacks import LIFTED_FACT, Stack, stack
from instruments.viewers import Viewer, close_viewers, open_viewers
from simulator.resources import bundled

REFERENCE_APP = Path(__file__).parent / "apps" / "reference" / "template.yaml"
BATCH = 10
FIRST_SNOWFLAKE = 1_767_661_414_543_360_000
PATIENCE_S = 120.0


class Map:
    """One stack and its viewers."""

    def __init__(self, runner: asyncio.Runner, running: Stack, viewers: int) -> None:
        self.pid = running.pid
        self.count = viewers
        self._runner = runner
        self._sent = 0
        self._sqs = boto3.client("sqs", endpoint_url=running.endpoints["aws_endpoint_url"])
        self._queue = next(url for name, url in running.endpoints["queue_urls"].items() if "dead" not in name)
        url, bundle = running.websocket_url, running.endpoints["ca_bundle"]
        trusted = ssl.create_default_context(cafile=bundle) if url.startswith("wss:") else None
        self._viewers = runner.run(open_viewers(url, viewers, self._on_frame, at_once=100, trusted=trusted))
        self._received: list[Counter[bytes]] = [Counter() for _ in self._viewers]
        for number, viewer in enumerate(self._viewers):
            viewer.received = number

    def publish(self, updates: int) -> Published:
        """Put so many updates on the queue, ten a call, and wait until every viewer has had every one of them."""
        bodies = [self._update() for _ in range(updates)]
        for received in self._received:
            received.clear()
        self._arrivals_s: list[float] = []
        self._wanted = updates * self.count
        self._complete = asyncio.Event()
        self._runner.run(self._publish(bodies))
        expected = Counter(body.encode() for body in bodies)
        assert all(received == expected for received in self._received), "an update came twice, or another came"
        return Published(self._began_s, sorted(self._arrivals_s))

    def close(self) -> None:
        self._runner.run(close_viewers(self._viewers))
        self._sqs.close()

    async def _publish(self, bodies: list[str]) -> None:
        self._began_s = time.perf_counter()
        sending = asyncio.to_thread(self._send, bodies)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(sending, self._complete.wait())
        except TimeoutError:
            lost = self._wanted - len(self._arrivals_s)
            raise AssertionError(f"{lost} of {self._wanted} deliveries are missing after {PATIENCE_S:g} s") from None

    def _send(self, bodies: list[str]) -> None:
        for first in range(0, len(bodies), BATCH):
            some = enumerate(bodies[first : first + BATCH])
            entries = [{"Id": str(number), "MessageBody": body} for number, body in some]
            answer = self._sqs.send_message_batch(QueueUrl=self._queue, Entries=entries)
            assert len(answer["Successful"]) == len(entries)

    def _on_frame(self, viewer: Viewer, payload: bytes) -> None:
        self._arrivals_s.append(time.perf_counter())
        self._received[viewer.received][payload] += 1
        if len(self._arrivals_s) == self._wanted:
            self._complete.set()

    def _update(self) -> str:
        self._sent += 1
        coordinates = {"lat": 37.7749, "long": -122.4194}
        update: dict[str, Any] = {
            "id": str(FIRST_SNOWFLAKE + self._sent),
            "userId": "17",
            "userName": "Taco Wagon",
            "text": "Tacos until three. " + "x" * 60,
            "date": "2024-03-12T21:05:00.123+00:00",
            "geo": {
                "id": "5a110d312052166f",
                "name": "San Francisco",
                "full_name": "San Francisco, CA",
                "place_type": "city",
                "country": "United States",
                "country_code": "US",
                "coordinates": coordinates,
            },
        }
        return json.dumps(update)


class Published:
    """When an update, or many, arrived; milliseconds after the first was handed to SQS."""

    def __init__(self, began_s: float, arrivals_s: list[float]) -> None:
        self.first_ms, self.median_ms, self.last_ms = (
            (at_s - began_s) * 1e3 for at_s in (arrivals_s[0], statistics.median(arrivals_s), arrivals_s[-1])
        )


@pytest.fixture
def maps(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Start both stacks with so many viewers each, as `{name: (role, map)}`; with `tls`, posts and frames have it."""

    @contextlib.contextmanager
    def maps(viewers: int, *, tls: bool = False) -> Iterator[dict[str, tuple[Role, Map]]]:
        with asyncio.Runner() as runner, contextlib.ExitStack() as exits:
            found: dict[str, tuple[Role, Map]] = {}
            sides: list[tuple[str, Role, Path]] = [
                ("ours", "ours", bundled("template.yaml")),
                ("boto3_app", "reference", REFERENCE_APP),
            ]
            for name, role, template in sides:
                arguments = ("--template", str(template), *(("--set", "gateway.tls=on") if tls else ()))
                running = exits.enter_context(stack(tmp_path / name, *arguments))
                found[name] = role, Map(runner, running, viewers)
                exits.callback(found[name][1].close)
            yield found

    return maps


@pytest.mark.parametrize(
    ("viewers", "rounds"),
    [
        pytest.param(100, 15, id="100"),
        pytest.param(1_000, 5, id="1000"),
        pytest.param(5_000, 3, id="5000", marks=pytest.mark.long),
    ],
)
def test_one_update(group, maps, viewers, rounds):
    found: Group = group(f"end-to-end-{viewers}", f"one update from SQS to {viewers:,} viewers")
    with maps(viewers) as both:
        for number, (name, (role, each)) in rounds_of(list(both.items()), rounds):
            with clocks([each.pid], families=True) as taken:
                published = each.publish(1)
            if number:
                _add(found, name, role, published)
                cpu_us = taken.server_cpu_s * 1e6 / viewers
                found.add(name, role, "stack_cpu_us_per_delivery", cpu_us, unit="µs/delivery", better="lower")
    if viewers == 100:
        found.subjects["ours"].metrics["last_ms"].reach = 25.0
    found.set_against("stack_cpu_us_per_delivery", "ours", "boto3_app", tolerance=0.25)
    found.set_against("last_ms", "ours", "boto3_app", tolerance=WALL_TOLERANCE)
    found.facts["lifted"] = LIFTED_FACT


def _add(found: Group, name: str, role: Role, published: Published) -> None:
    for metric in ("first_ms", "median_ms", "last_ms"):
        found.add(name, role, metric, getattr(published, metric), unit="ms", better="lower")


@pytest.mark.parametrize("tls", [pytest.param(False, id="plain"), pytest.param(True, id="tls", marks=pytest.mark.long)])
def test_sustained(group, maps, tls):
    """As many updates as the queue is given at once; every viewer must have every one of them exactly once."""
    viewers, rounds = 1_000, 3
    updates = {"ours": 60, "boto3_app": 4}
    found: Group = group(
        "end-to-end-sustained-tls" if tls else "end-to-end-sustained",
        f"deliveries a second to {viewers:,} viewers, none lost{', TLS' if tls else ''}",
    )
    with maps(viewers, tls=tls) as both:
        for number, (name, (role, each)) in rounds_of(list(both.items()), rounds):
            with clocks([each.pid], families=True) as taken:
                published = each.publish(updates[name])
            if number:
                deliveries = updates[name] * viewers
                rate = deliveries / published.last_ms * 1e3
                cpu_us = taken.server_cpu_s * 1e6 / deliveries
                found.add(name, role, "deliveries_per_s", rate, unit="deliveries/s", better="higher")
                found.add(name, role, "stack_cpu_us_per_delivery", cpu_us, unit="µs/delivery", better="lower")
    if not tls:
        found.subjects["ours"].metrics["deliveries_per_s"].reach = 8_000.0
    found.set_against("stack_cpu_us_per_delivery", "ours", "boto3_app", tolerance=0.25)
    found.set_against("deliveries_per_s", "ours", "boto3_app", tolerance=WALL_TOLERANCE)
    found.facts |= {"updates": updates["ours"], "lifted": LIFTED_FACT}
