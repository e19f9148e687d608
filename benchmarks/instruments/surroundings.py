"""What a run was made on and with: machine, versions, commit; taken before it begins, because it makes load itself."""

from __future__ import annotations

import datetime as dt
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from instruments.processes import cpus
from simulator.load import provenance

_MORE_PACKAGES = ("aiohttp",)


def surroundings() -> dict[str, Any]:
    """`began`, `machine`, `versions` and `commit` (of the checkout that the measured packages come from, or null)."""
    versions = provenance.versions()
    versions["packages"] |= {name: metadata.version(name) for name in _MORE_PACKAGES}
    return {
        "began": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {**provenance.machine(), "cpu": _cpu_name(), "usable_cpus": len(cpus()) or None},
        "versions": versions,
        # tox measures a wheel, built from the checkout that these benchmarks are in.
        "commit": provenance.commit() or provenance.commit(Path(__file__).resolve().parents[2]),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
