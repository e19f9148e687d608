"""What workers and the master tell each other, as JSON documents and back. Pure."""

from __future__ import annotations

import hashlib
import itertools
import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from simulator.load.latency import Latencies
from simulator.load.ledger import Missing, Settled
from simulator.load.part_results import Look, PartResult, VendorFigures
from simulator.load.prepare import Prepared
from simulator.load.verdict import Frames
from simulator.stack_outputs import StackAddresses

_SAME_START_MS = 1_700_000_000_000
_DIGESTED_UPDATES = 50


# -- what became of updates --------------------------------------------------------------------------------------------


def pack_settled(many: Sequence[Settled]) -> tuple[list[Any], bytes]:
    """A document, and the latencies beside it in whole microseconds, which is what histograms keep of them."""
    latencies: array[int] = array("q")
    document = []
    for each in many:
        for group in each.latencies:
            latencies.extend(round(1e6 * one) for one in group)
        document.append(
            [
                each.update_id,
                each.vendor,
                each.due_s,
                each.sent_s,
                each.position,
                each.expected,
                each.lost,
                each.cut_off,
                each.duplicated,
                each.reordered,
                [len(group) for group in each.latencies],
                dict(each.stories),
                [[one.subscriber, one.story] for one in each.missing],
            ]
        )
    return document, latencies.tobytes()


def unpack_settled(document: Sequence[Any], blob: bytes) -> Iterator[Settled]:
    """The inverse of `pack_settled`."""
    latencies: array[int] = array("q")
    latencies.frombytes(blob)
    at = 0
    for (
        update_id,
        vendor,
        due_s,
        sent_s,
        position,
        expected,
        lost,
        cut_off,
        duplicated,
        reordered,
        lengths,
        stories,
        missing,
    ) in document:
        groups = []
        for length in lengths:
            groups.append(array("d", (one / 1e6 for one in latencies[at : at + length])))
            at += length
        yield Settled(
            update_id,
            vendor,
            due_s,
            sent_s,
            (position[0], position[1]),
            tuple(expected),
            tuple(lost),
            tuple(cut_off),
            duplicated,
            reordered,
            tuple(groups),
            stories,
            tuple(Missing(subscriber, story) for subscriber, story in missing),
        )


# -- where a share is, and its end -------------------------------------------------------------------------------------


def pack_look(look: Look) -> dict[str, Any]:
    """As a document."""
    return asdict(look)


def unpack_look(document: Mapping[str, Any]) -> Look:
    """The inverse of `pack_look`."""
    return Look(**document)


def pack_result(result: PartResult) -> dict[str, Any]:
    """As a document."""
    return {
        **{name: getattr(result, name) for name in _PLAIN},
        "changes": list(result.changes),
        "late_copies": list(result.late_copies),
        "peers": dict(result.peers),
        "read_bytes": dict(result.read_bytes),
        "refusals": dict(result.refusals),
        "drops": [dict(drop) for drop in result.drops],
        "frames": asdict(result.frames),
        "vendors": {vendor: asdict(figures) for vendor, figures in result.vendors.items()},
        "producer_lag": _pack_latencies(result.producer_lag),
        "loop_lag": _pack_latencies(result.loop_lag),
        "troubles": list(result.troubles),
    }


def unpack_result(document: Mapping[str, Any]) -> PartResult:
    """The inverse of `pack_result`."""
    return PartResult(
        **{name: document[name] for name in _PLAIN if name != "positions"},
        positions=(document["positions"][0], document["positions"][1]),
        changes=[(at_s, change) for at_s, change in document["changes"]],
        late_copies=[(due_s, count) for due_s, count in document["late_copies"]],
        peers=document["peers"],
        read_bytes=document["read_bytes"],
        refusals=document["refusals"],
        drops=document["drops"],
        frames=Frames(**document["frames"]),
        vendors={vendor: VendorFigures(**figures) for vendor, figures in document["vendors"].items()},
        producer_lag=_unpack_latencies(document["producer_lag"]),
        loop_lag=_unpack_latencies(document["loop_lag"]),
        troubles=document["troubles"],
    )


_PLAIN = ("opened", "reconnected", "dropped", "peak", "positions", "planned", "last_sent_s", "cpu_s", "memory_mb")


def _pack_latencies(latencies: Latencies) -> list[Any]:
    return [latencies.encoded(), latencies.max_us]


def _unpack_latencies(document: Sequence[Any]) -> Latencies:
    return Latencies.decoded(document[0], max_us=document[1])


# -- what is to be played ----------------------------------------------------------------------------------------------


def pack_addresses(target: Any) -> dict[str, Any]:
    """Of a stack, whatever kind of `Target` it is."""
    return {
        "websocket_url": target.websocket_url,
        "http_url": target.http_url,
        "management_url": target.management_url,
        "queue_urls": dict(target.queue_urls),
        "tables": list(target.tables),
        "region": target.region,
        "aws_endpoint_url": target.aws_endpoint_url,
        "ca_bundle": target.ca_bundle,
    }


def unpack_addresses(document: Mapping[str, Any]) -> StackAddresses:
    """The inverse of `pack_addresses`."""
    return StackAddresses(**{**document, "tables": tuple(document["tables"])})


def fingerprint(prepared: Prepared) -> str:
    """Of who comes and what is published first: the same where the same run would be played."""
    plan = prepared.plan_from(_SAME_START_MS)
    parts = [
        [asdict(group) for group in prepared.audience.groups],
        [asdict(visit) for visit in prepared.audience.visits],
        [vendor.twitter_id for vendor in plan.vendors],
        [[each.due_s, each.update] for each in itertools.islice(plan, _DIGESTED_UPDATES)],
        plan.duration_s,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
