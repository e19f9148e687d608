"""`tracker-sim send`: updates, given by hand or as a file, onto the queue of a running stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator.clock import Clock
from simulator.endpoints import Endpoints
from simulator.errors import EnvironmentFailure, InputError
from simulator.load.stack_view import StackView
from simulator.vendors.producer import Producer, record_nothing
from simulator.vendors.updates_by_hand import planned_at_once, read_updates, single_update
from tracker.updates import encode_update
from tracker.wire import VendorUpdate


def updates_to_send(
    file: Path | None, *, vendor: str | None, lat: float | None, long: float | None, text: str | None, at_ms: int
) -> list[VendorUpdate]:
    """The updates that the options describe: those of `file`, or the one given by hand.

    Raises InputError when there is neither, both, or half of one.
    """
    by_hand = {"--vendor": vendor, "--lat": lat, "--long": long}
    if file is not None:
        given = [option for option, value in {**by_hand, "--text": text}.items() if value is not None]
        if given:
            raise InputError(f"--file already says everything; leave out {' and '.join(given)}.")
        return read_updates(file, at_ms=at_ms)
    if vendor is None or lat is None or long is None:
        missing = [option for option, value in by_hand.items() if value is None]
        raise InputError(f"there is nothing to send without {' and '.join(missing)}; or give --file updates.ndjson.")
    return [single_update(vendor, lat, long, at_ms=at_ms, text=text)]


def choose_queue(endpoints: Endpoints, view: StackView, name: str | None) -> str:
    """The URL of the queue called `name`; by default of the only one that is no other's dead-letter queue."""
    if name is None:
        return view.vendor_queue().url
    if name not in endpoints.queue_urls:
        raise InputError(f"the stack has no queue {name!r}; it has {', '.join(endpoints.queue_urls) or 'none'}.")
    return endpoints.queue_urls[name]


def send_updates(
    sqs_client: Any, queue_url: str, updates: Sequence[VendorUpdate], clock: Clock, on_sent: Callable[[str], None]
) -> None:
    """Send all updates at once, as the producer of a run does; `on_sent` gets the body of each that SQS took.

    Raises EnvironmentFailure naming the first update that could not be sent.
    """
    refused: list[str] = []
    producer = Producer(
        planned_at_once(updates),
        sqs_client,
        queue_url,
        record_nothing,
        clock,
        on_sent=lambda planned, _message_id: on_sent(encode_update(planned.update)),
        on_failed=lambda planned, reason: refused.append(f"update {planned.update['id']}: {reason}"),
    )
    producer.start(clock.monotonic_s())
    producer.done.wait()
    producer.stop()
    if producer.error is not None:
        raise producer.error
    if refused:
        raise EnvironmentFailure(f"{len(refused)} of {len(updates)} updates were not sent; {refused[0]}.")
