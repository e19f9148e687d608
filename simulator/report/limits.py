"""What a run cannot tell, in sentences: its own lateness and resolution, from its own record. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.load.wording import counted
from simulator.report.figures import shown
from simulator.report.run_report import RunReport

_ENOUGH_FOR_P999 = 10_000
_BUSY_PER_CPU = 1.0


def limits(run: RunReport) -> tuple[str, ...]:
    """A sentence for each limit."""
    return tuple(_limits(run))


def _limits(run: RunReport) -> Iterator[str]:
    late = [each.producer_lag_ms for each in run.series if each.producer_lag_ms is not None]
    if late:
        yield (
            f"Updates left up to {shown(max(late), 'ms')} after they were due (half of the seconds: up to "
            f"{shown(sorted(late)[len(late) // 2], 'ms')}). Corrected latencies count that, uncorrected ones do not."
        )
    else:
        yield "How late updates left is not in this record, so a slow load cannot be told from a slow stack."
    loop = [each.loop_lag_ms for each in run.series if each.loop_lag_ms is not None]
    if loop:
        yield (
            f"Arrivals may be noted up to {shown(max(loop), 'ms')} too late (half of the seconds: up to "
            f"{shown(sorted(loop)[len(loop) // 2], 'ms')}): differences below that mean nothing."
        )
    else:
        yield "How late arrivals were noted is not in this record."
    samples = run.distribution("all")
    if samples is not None and samples.latencies.count < _ENOUGH_FOR_P999:
        yield (f"{counted(samples.latencies.count, 'delivery')} came: too few to say much beyond the 99th percentile.")
    yield "Latencies have three significant digits (a microsecond below 2 ms); a maximum is exact."
    if run.target == "local":
        yield "Load and stack shared a machine; how the stack would do without the load beside it is not known."
    load, cpus = run.machine.get("load_average"), run.machine.get("cpus")
    if load is not None and cpus and load / cpus > _BUSY_PER_CPU:
        yield f"The machine was busy before the run began: load average {load:g} on {cpus} processors."
    if run.commit is not None and run.commit.get("dirty"):
        yield "Files had been changed since the commit: the commit alone does not say what ran."
