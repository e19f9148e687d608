"""What one machine carries: CPU by process of whole runs at several sizes, and the model's costs from two of them.

$ python benchmarks/scale_points.py --write            # some minutes; benchmarks/scale_points.json and a table
$ python benchmarks/scale_points.py --points 100x10,1000x10

CPU time is what is counted, so a machine that is busy with other things disturbs it little; the latencies beside it are
worth something on an idle machine only. Costs are taken from the smallest and the largest point by viewers; the others
are what `tests/unit/load/test_load_scale_model.py` checks the model against.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulator.child import StackProcess
from simulator.load import Scenario, prepare, provenance, run_scenario
from simulator.load.audience import Group
from simulator.load.expectations import with_defaults
from simulator.load.phases import Phase
from simulator.load.scale_model import Costs, Demand, on_one_machine
from simulator.load.scenario import MadeVendors
from simulator.loop import run as run_loop

POINTS = "100x10,300x10,1000x10,1000x2,2000x5"
FILE = Path(__file__).with_name("scale_points.json")
DURATION_S = 20.0
LIFTED = ("account_rate_per_s=1000000", "account_burst=1000000", "connects_per_s=1000000", "connects_burst=1000000")


class Quiet:
    """No progress line."""

    def say(self, text): ...
    def note(self, sentence): ...
    def show(self, snapshot): ...
    def finish(self): ...


def cpu_by_part(stack):
    """CPU seconds so far: of the stack's own process, of the functions' and of all other children."""
    found = {"gateway": 0.0, "functions": 0.0, "rest": 0.0}
    for each in [stack, *stack.children(recursive=True)]:
        try:
            times, words = each.cpu_times(), " ".join(each.cmdline())
        except psutil.Error:
            continue
        part = "gateway" if each.pid == stack.pid else "functions" if "worker_bootstrap" in words else "rest"
        found[part] += times.user + times.system
    return found


async def point(viewers, updates_per_s):
    """One run; None when it lost anything, since then it did other work."""
    scenario = Scenario(
        name="point",
        seed=1,
        vendors=MadeVendors(count=50, model="gauss_markov"),
        groups=(Group(count=viewers, connect_rate_per_s=500, connect_concurrency=20),),
        phases=(Phase("warm", 5.0, updates_per_s), Phase("steady", DURATION_S, updates_per_s)),
        expect=with_defaults(()),
    )
    marks = {}
    with tempfile.TemporaryDirectory() as folder:
        changes = [word for each in LIFTED for word in ("--set", f"gateway.{each}")]
        async with StackProcess(changes, log=Path(folder) / "log", on_problem=print) as stack:
            process = psutil.Process(stack.endpoints.pid)

            class Marks(Quiet):
                def show(self, snapshot):
                    if snapshot.phase == "steady":
                        times = os.times()
                        seen = (cpu_by_part(process), times.user + times.system, snapshot.received, snapshot.elapsed_s)
                        marks.setdefault("first", seen)
                        marks["last"] = seen

            verdict = await run_scenario(prepare(scenario), stack.endpoints, progress=Marks(), stop=asyncio.Event())
    (before, own_before, received_before, began_s), (after, own_after, received, ended_s) = (
        marks["first"],
        marks["last"],
    )
    document = verdict.document
    deliveries, elapsed_s = received - received_before, ended_s - began_s
    spent = {part: after[part] - before[part] for part in after}
    batches = document["invocations"]["by_function"]["local-send-vendor"]["total"]
    cores = (sum(spent.values()) + own_after - own_before) / elapsed_s
    return {
        "viewers": viewers,
        "updates_per_s": updates_per_s,
        "updates_per_batch": round(document["updates"]["published"] / batches, 2),
        "deliveries_per_s": round(deliveries / elapsed_s),
        "gateway_us": round(1e6 * spent["gateway"] / deliveries, 1),
        "function_us": round(1e6 * spent["functions"] / deliveries, 1),
        "load_us": round(1e6 * (own_after - own_before) / deliveries, 1),
        "rest_ms_per_s": round(1e3 * spent["rest"] / elapsed_s, 1),
        "cores": round(cores, 3),
        "lost": document["deliveries"]["lost"],
        "last_p50_ms": document["latency_ms"]["last"]["p50"],
        "last_p99_ms": document["latency_ms"]["last"]["p99"],
    }


def costs_from(points):
    """The model's costs: per delivery where most viewers are, per batch and row from what is left of both ends."""
    small, large = points[0], max(points, key=lambda each: each["viewers"] * each["updates_per_s"])
    for each in points:
        each["calibrates"] = each is small or each is large

    def batches_per_s(each):
        return each["updates_per_s"] / each["updates_per_batch"]

    def rest_us(each):
        return 1e3 * each["rest_ms_per_s"] / batches_per_s(each)

    # What the parts cost beyond their deliveries is the batch's; with many viewers it is spread thin.
    per_delivery = {name: large[name] for name in ("gateway_us", "function_us", "load_us")}
    extra = sum((small[name] - large[name]) * small["deliveries_per_s"] / batches_per_s(small) for name in per_delivery)
    row_us = max(0.0, (rest_us(large) - rest_us(small)) / (large["viewers"] - small["viewers"]))
    batch_us = max(0.0, rest_us(small) - small["viewers"] * row_us + extra)
    return Costs(**per_delivery, batch_us=round(batch_us, 1), row_us=round(row_us, 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", default=POINTS, help="VIEWERSxUPDATES_PER_S,…")
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    chosen = parser.parse_args()
    points = []
    for text in chosen.points.split(","):
        viewers, updates_per_s = text.split("x")
        points.append(run_loop(point(int(viewers), float(updates_per_s))))
        print(points[-1], file=sys.stderr)
    costs = costs_from(points)
    heads = ("viewers", "updates/s", "per batch", "deliveries/s", "gateway µs", "function µs", "load µs", "cores")
    print(f"| {' | '.join(heads)} | model | p99 to the last |")
    print("|---" * (len(heads) + 2) + "|")
    for each in points:
        demand = Demand(each["viewers"], each["updates_per_s"], updates_per_batch=each["updates_per_batch"])
        said = on_one_machine(demand, costs).cores
        print(
            f"| {each['viewers']:,} | {each['updates_per_s']:g} | {each['updates_per_batch']:g} "
            f"| {each['deliveries_per_s']:,} | {each['gateway_us']:g} | {each['function_us']:g} | {each['load_us']:g} "
            f"| {each['cores']:.2f} | {said:.2f}{' (taken from it)' if each['calibrates'] else ''} "
            f"| {each['last_p99_ms']:,.0f} ms |"
        )
    print(asdict(costs))
    if chosen.write:
        document = {"machine": provenance.machine(), "costs": asdict(costs), "points": points}
        FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
