"""What a share of the load has seen, while it runs and at its end, and how the shares add up.

Pure. Times are seconds on the run's monotonic scale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.load.latency import Latencies
from simulator.load.verdict import Connections, Frames

_KEPT_EXAMPLES = 5
_KEPT_DROPS = 20


@dataclass(frozen=True, slots=True)
class Look:
    """Where a share of the load is, at one moment."""

    open: int = 0
    """Subscribers connected."""
    opened: int = 0
    """Handshakes that have succeeded."""
    sent: int = 0
    received: int = 0
    duplicated: int = 0
    outstanding: int = 0
    """Expected deliveries that have not arrived, those that are lost for good apart; only `Load.look` counts them."""
    overdue: int = 0
    last_frame_s: float | None = None
    oldest_due_s: float = 0.0
    """No update that was due before this will be settled any more."""
    lag_ms: float | None = None
    """How late the update that left last did so."""
    is_alive: bool = True
    """Whether anybody is connected, or still to come."""


@dataclass(frozen=True, slots=True)
class VendorFigures:
    """Deliveries of one vendor's updates."""

    expected: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a share of the load has to say at its end, besides what became of each update."""

    opened: int = 0
    reconnected: int = 0
    dropped: int = 0
    peak: int = 0
    changes: Sequence[tuple[float, int]] = ()
    """Each time a connection opened (1) or ended (-1), in order."""
    refusals: Mapping[str, int] = field(default_factory=dict)
    drops: Sequence[Mapping[str, Any]] = ()
    """`subscriber`, `code`, `reason` and `at_s` (from the start of publishing) of the first that broke."""
    frames: Frames = field(default_factory=lambda: Frames(0))
    vendors: Mapping[str, VendorFigures] = field(default_factory=dict)
    """By id."""
    late_copies: Sequence[tuple[float, int]] = ()
    """Second copies that came after their update was settled: when that was due, and how many."""
    peers: Mapping[str, int] = field(default_factory=dict)
    """Addresses of sockets (`peer_name`), and whose they are, or were last."""
    read_bytes: Mapping[str, int] = field(default_factory=dict)
    """Of each socket that is open at the end, how many bytes of frames were read."""
    positions: tuple[int, int] = (0, 0)
    """Checked and wrong."""
    planned: int | None = None
    """Updates of the whole plan, once all of them have been made."""
    last_sent_s: float | None = None
    producer_lag: Latencies = field(default_factory=Latencies)
    loop_lag: Latencies = field(default_factory=Latencies)
    cpu_s: float = 0.0
    memory_mb: float | None = None
    troubles: Sequence[str] = ()
    workers: Sequence[Mapping[str, Any]] = ()
    """Of a load that is spread: each worker, as the verdict tells of it."""

    def connections(self, asked: int, rows_without_socket: int | None = None) -> Connections:
        """As the verdict wants it; `asked` is how many were to come."""
        return Connections(
            asked=asked,
            opened=self.opened,
            refusals=self.refusals,
            dropped=self.dropped,
            drops=self.drops,
            reconnected=self.reconnected,
            peak=self.peak,
            rows_without_socket=rows_without_socket,
        )


def merged_looks(looks: Sequence[Look]) -> Look:
    """All shares together, at about the same moment."""
    if not looks:
        return Look()
    return Look(
        open=sum(each.open for each in looks),
        opened=sum(each.opened for each in looks),
        sent=sum(each.sent for each in looks),
        received=sum(each.received for each in looks),
        duplicated=sum(each.duplicated for each in looks),
        outstanding=sum(each.outstanding for each in looks),
        overdue=sum(each.overdue for each in looks),
        last_frame_s=max((each.last_frame_s for each in looks if each.last_frame_s is not None), default=None),
        oldest_due_s=min(each.oldest_due_s for each in looks),
        lag_ms=max((each.lag_ms for each in looks if each.lag_ms is not None), default=None),
        is_alive=any(each.is_alive for each in looks),
    )


def merged_results(results: Sequence[PartResult]) -> PartResult:
    """All shares together; their subscribers and vendors are different ones, and each knows the whole plan."""
    if len(results) == 1:
        return results[0]
    producer_lag, loop_lag = Latencies(), Latencies()
    for each in results:
        producer_lag.add(each.producer_lag)
        loop_lag.add(each.loop_lag)
    changes = sorted(change for each in results for change in each.changes)
    memories = [each.memory_mb for each in results if each.memory_mb is not None]
    drops = sorted((drop for each in results for drop in each.drops), key=lambda drop: float(drop["at_s"]))
    return PartResult(
        opened=sum(each.opened for each in results),
        reconnected=sum(each.reconnected for each in results),
        dropped=sum(each.dropped for each in results),
        peak=_peak(changes),
        changes=changes,
        refusals=_counted(each.refusals for each in results),
        drops=drops[:_KEPT_DROPS],
        frames=_merged_frames([each.frames for each in results]),
        vendors=_merged_vendors([each.vendors for each in results]),
        late_copies=[copies for each in results for copies in each.late_copies],
        read_bytes={peer: count for each in results for peer, count in each.read_bytes.items()},
        peers={peer: subscriber for each in results for peer, subscriber in each.peers.items()},
        positions=(sum(each.positions[0] for each in results), sum(each.positions[1] for each in results)),
        planned=max((each.planned for each in results if each.planned is not None), default=None),
        last_sent_s=max((each.last_sent_s for each in results if each.last_sent_s is not None), default=None),
        producer_lag=producer_lag,
        loop_lag=loop_lag,
        cpu_s=sum(each.cpu_s for each in results),
        memory_mb=round(sum(memories), 1) if memories else None,
        troubles=list(dict.fromkeys(trouble for each in results for trouble in each.troubles)),
    )


def _merged_frames(frames: Sequence[Frames]) -> Frames:
    return Frames(
        total=sum(each.total for each in frames),
        errors=_counted(each.errors for each in frames),
        strange=sum(each.strange for each in frames),
        strange_examples=[example for each in frames for example in each.strange_examples][:_KEPT_EXAMPLES],
        altered=sum(each.altered for each in frames),
        unexpected=sum(each.unexpected for each in frames),
        unexpected_examples=list(dict.fromkeys(one for each in frames for one in each.unexpected_examples))[
            :_KEPT_EXAMPLES
        ],
        late=sum(each.late for each in frames),
    )


def _merged_vendors(parts: Sequence[Mapping[str, VendorFigures]]) -> dict[str, VendorFigures]:
    found: dict[str, VendorFigures] = {}
    for part in parts:
        for vendor, more in part.items():
            before = found.get(vendor, VendorFigures())
            found[vendor] = VendorFigures(
                before.expected + more.expected,
                before.lost + more.lost,
                before.duplicated + more.duplicated,
                before.reordered + more.reordered,
            )
    return found


def _counted(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _peak(changes: Sequence[tuple[float, int]]) -> int:
    now = peak = 0
    for _, change in changes:
        now += change
        peak = max(peak, now)
    return peak
