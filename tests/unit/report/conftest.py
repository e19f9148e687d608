"""Folders of results that were never played: written by the writer that runs use, as large as a test wants them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simulator.load.latency import Latencies
from simulator.load.raw_results import Distribution, LossRow, ResultsWriter, Second, UpdateRow, VendorTrack

HOSTILE = "</script><script>alert(1)</script>\u202egnihton | `x` [a](b) @me & \"'\x1b[2J"


def made_results(
    base: Path, *, vendors: int = 3, seconds: int = 20, ping_s: int = 1, lost: int = 2, seed: int = 7, **changes: Any
) -> Path:
    """Write a folder; `changes` replace keys of the verdict."""
    rng = Random(seed)
    writer = ResultsWriter(base, "made", datetime(2026, 1, 23, 10, tzinfo=UTC), seed)
    ids = [str(1000 + number) for number in range(vendors)]
    names = {each: HOSTILE if number == 0 else f"Truck {number}" for number, each in enumerate(ids)}
    every, late = Latencies(), Latencies()
    tracks = []
    for number, vendor in enumerate(ids):
        points, rows = [], []
        for at_s in range(0, seconds, ping_s):
            lat = 37.7 + rng.random() / 20 + at_s / 1e5
            long = -122.4 - math.sin(number + at_s / 50) / 30
            points.append((float(at_s), lat, long))
            ms = 20 + 200 * rng.random() ** 4
            every.record(ms / 1000)
            late.record(ms / 1000 + 0.01)
            row_lost = 1 if number == 0 and at_s < lost * ping_s else 0
            rows.append(
                UpdateRow(
                    f"{number}-{at_s}", vendor, "steady", at_s, at_s, lat, long, 50, 50 - row_lost, row_lost, 0, 0
                )
                if row_lost
                else UpdateRow(
                    f"{number}-{at_s}", vendor, "steady", at_s, at_s, lat, long, 50, 50, 0, 0, 0, ms / 2, ms / 2, ms, ms
                )
            )
        writer.add_updates(rows)
        tracks.append(VendorTrack(vendor, names[vendor], points))
    writer.add_losses(
        LossRow(f"0-{number}", ids[0], 3, "viewers", float(number), "socket closed before") for number in range(lost)
    )
    expected = vendors * math.ceil(seconds / ping_s) * 50
    verdict = {
        "scenario": "made",
        "question": "Does <b>anything</b> get lost?",
        "passed": not lost,
        "partial": False,
        "failures": [f"{lost} deliveries were lost: {HOSTILE}"] if lost else [],
        "notes": [],
        "updates": {"published": vendors * seconds, "broadcast": vendors * seconds},
        "deliveries": {
            "expected": expected,
            "received": expected - lost,
            "lost": lost,
            "per_vendor": {each: {"expected": expected // vendors, "lost": 0} for each in ids}
            | {ids[0]: {"lost": lost}},
        },
        "latency_ms": {"all": late.summary_ms(), "last": late.summary_ms(), "uncorrected": {"all": every.summary_ms()}},
        "expectations": [
            {"that": "deliveries.lost == 0", "phase": "run", "held": not lost, "found": {"deliveries.lost": lost}},
            {
                "that": "latency_ms.last.p99 < 500",
                "phase": "steady",
                "held": None,
                "found": {"latency_ms.last.p99": None},
            },
        ],
        **changes,
    }
    writer.finish(
        {
            "scenario": {"name": "made", "question": "Does <b>anything</b> get lost?", "run": {"duration_s": seconds}},
            "seed": seed,
            "versions": {"tool": "0.1.0", "python": "3.11", "packages": {"boto3": "1"}},
            "machine": {"platform": "Linux", "cpus": 2, "load_average": 0.1},
            "commit": None,
            "started_at": "2026-01-23T10:00:00.000+00:00",
            "duration_s": float(seconds),
            "target": "local",
            "phases": [{"name": "steady", "began_s": 0.0, "ended_s": float(seconds)}],
            "faults": [{"kind": "viewer_reset", "began_s": 3.0, "ended_s": 5.0, "trouble": None, "probability": 0.1}],
            "groups": [{"name": "viewers", "kind": "viewer", "count": 50}],
            "vendors": [{"id": each, "name": name} for each, name in names.items()],
            "verdict": verdict,
        },
        series=[
            Second(at_s, "steady", 3, 3, 150, 0, 20.0, 90.0, 200.0, 0, 1.5, 0.5, at_s % 5, 2, 3, 0, 4, 50)
            for at_s in range(seconds)
        ],
        distributions=[
            Distribution("all", True, None, None, late),
            Distribution("all", False, None, None, every),
            Distribution("last", True, None, None, late),
            Distribution("last", False, None, None, every),
        ],
        tracks=tracks,
    )
    return writer.folder


@pytest.fixture
def make():
    return made_results


@pytest.fixture
def hostile():
    return HOSTILE
