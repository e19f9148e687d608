"""Draw a picture of each kind of benchmark from a results file.

    python benchmarks/pictures.py [RESULTS] [--into docs/benchmarks]

RESULTS is what `pytest benchmarks --long` saved (default: benchmarks/baseline.json); what a run does not have is left
out. Ours is always the thick solid line or the dark bar; each reference has a marker, a dash or a hatch of its own, so
that no picture depends on colour.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from compare import FOLDER, read_run
from instruments.growth import exponent
from instruments.results import Group, Run
from instruments.table import number

OURS = {"color": "#0b3c5d", "linewidth": 2.8, "marker": "o", "markersize": 7, "zorder": 5}
OTHERS: list[dict[str, Any]] = [
    {"color": "#b5651d", "linestyle": "--", "marker": "s"},
    {"color": "#6a3d9a", "linestyle": "-.", "marker": "^"},
    {"color": "#2e7d32", "linestyle": (0, (1, 1.2)), "marker": "D"},
    {"color": "#a11d33", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#4d4d4d", "linestyle": (0, (3, 3)), "marker": "P"},
]
FLOOR = {"color": "#777777", "linestyle": ":", "marker": "x"}
CEILING = {"color": "#a11d33", "linestyle": (0, (8, 3)), "linewidth": 1.4}
BARS: dict[str, dict[str, Any]] = {
    "ours": {"color": "#0b3c5d", "edgecolor": "white"},
    "reference": {"facecolor": "#e0a96d", "edgecolor": "#8a6132", "hatch": "//"},
    "floor": {"facecolor": "#cccccc", "edgecolor": "#777777", "hatch": ".."},
}
REACH = {"color": "#2e7d32", "linewidth": 1.2, "linestyle": (0, (2, 2))}
HOLLOW = {"marker": "s", "markerfacecolor": "white"}
SMALL = 8.5


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", nargs="?", type=Path, default=FOLDER / "baseline.json", help="default: %(default)s")
    parser.add_argument("--into", type=Path, default=FOLDER.parent / "docs" / "benchmarks", help="default: %(default)s")
    options = parser.parse_args(arguments)
    run = read_run(options.results)
    mpl.rcParams |= {
        "svg.hashsalt": "vendor-tracker",  # the same results make the same file
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e3e3e3",
        "legend.frameon": False,
        "hatch.linewidth": 0.6,
    }
    options.into.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        drawn = draw(run)
        if drawn is None:
            print(f"{name}: the run has no such benchmarks", file=sys.stderr)
            continue
        drawn.text(0.5, 0.004, about(run), ha="center", va="bottom", fontsize=7.5, color="#555555")
        drawn.savefig(options.into / f"{name}.svg", metadata={"Date": None})
        plt.close(drawn)
        print(options.into / f"{name}.svg")
    return 0


def about(run: Run) -> str:
    machine, commit = run.surroundings["machine"], run.surroundings["commit"]
    code = "" if commit is None else f" · {commit['id'][:10]}{' with changes' if commit['dirty'] else ''}"
    python = run.surroundings["versions"]["python"]
    return (
        f"{run.surroundings['began'][:10]}{code} · Python {python} · {machine['cpu']}, {machine['cpus']} CPUs, "
        f"load average {machine['load_average']} · medians"
    )


# -- the pictures ------------------------------------------------------------------------------------------------------


def fanout(run: Run) -> Any:
    """CPU per post against connections, plain and TLS, with the ceiling of the SDK."""
    groups = {how: _sized(run, "fanout-", f"-{how}") for how in ("plain", "tls")}
    if not any(groups.values()):
        return None
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.6), sharey=True)
    cost = "client_cpu_us_per_post"
    for ax, (how, sized) in zip(axes, groups.items(), strict=True):
        others = iter(OTHERS)
        for name in ("ours", "boto3_sequential", "boto3_32_threads", "aiohttp", "floor"):
            style = OURS if name == "ours" else FLOOR if name == "floor" else next(others)
            _line(ax, _curve(sized, name, cost), style, _words(name))
        for count, cpu_us in _curve(sized, "ours", cost).items():
            _note(ax, f"{cpu_us:.0f}", (count, cpu_us), (0, 8), ha="center")
        ceilings = _curve(sized, "boto3_without_network", cost)
        if ceilings:
            ceiling = min(ceilings.values())
            ax.axhline(ceiling, **CEILING)
            where = (min(ceilings), ceiling)
            _note(ax, "boto3 without any network: no SDK post costs less", where, (0, 4), color=CEILING["color"])
        _axes(ax, "over TLS, as AWS speaks" if how == "tls" else "plain HTTP", "connections", log="xy")
    axes[0].set_ylabel("CPU per post, µs (lower is better)")
    axes[1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return _finish(figure, "Fan-out: what one signed @connections post costs the function")


def gateway(run: Run) -> Any:
    """Posts per core, idle memory, echo latency, handshakes."""
    if "gateway-posts" not in run.groups:
        return None
    figure, ((posts, idle), (echo, connect)) = plt.subplots(2, 2, figsize=(10.5, 7.4))
    _bars(posts, run.groups["gateway-posts"], "posts_per_core_s")
    _axes(posts, "posts → frames per second and core, 500 sockets")
    sized = _sized(run, "idle-", "")
    if sized:
        _bars(idle, sized[max(sized)], "per_connection_kib")
        _axes(idle, f"memory per idle connection, KiB, {max(sized):,} connections")
    by_boto3, by_reply = (_sized(run, f"echo-{kind}-", "") for kind in ("boto3", "reply"))
    _line(echo, _curve(by_boto3, "ours", "p50_ms"), OURS | HOLLOW, "echo by boto3")
    _line(echo, _curve(by_reply, "ours", "p50_ms"), OURS, "echo by route response")
    _line(echo, _curve(by_boto3, "boto3_post_alone", "p50_ms"), OTHERS[0], "a boto3 post alone")
    _line(echo, _curve(by_boto3, "websockets_server", "p50_ms"), OTHERS[1], "plain websockets server")
    _axes(echo, "echo, p50 in ms", "sockets, each waiting for its echo", log="xy")
    echo.set_xticks(list(by_boto3), [str(sockets) for sockets in by_boto3])
    echo.xaxis.set_minor_locator(NullLocator())
    echo.legend(fontsize=SMALL)
    if "connect-500" in run.groups:
        _bars(connect, run.groups["connect-500"], "all_s")
        _axes(connect, "500 viewers connected, s")
    return _finish(figure, "The gateway")


def scan(run: Run) -> Any:
    """Moto's CPU for a whole scan against rows, exponents in the legend."""
    sized = _sized(run, "scan-", "")
    if not sized:
        return None
    figure, ax = plt.subplots(figsize=(8.8, 4.8))
    names = ("ours", "ours_projected", "loop_of_25", "boto3_pages_of_1000", "boto3_8_segments")
    per_row = {name: _curve(sized, name, "server_cpu_us_per_row") for name in names}
    curves = {name: {rows: us * rows / 1e6 for rows, us in curve.items()} for name, curve in per_row.items()}
    growth = run.groups.get("scan-growth")
    if growth is not None and "stock" in growth.subjects:
        end = "_rows_s"
        costs = growth.subjects["stock"].metrics
        curves["stock moto, loop_of_25"] = {
            int(name.removesuffix(end)): metric.median for name, metric in costs.items() if name.endswith(end)
        }
    others = iter(OTHERS)
    for name, curve in curves.items():
        power = f"  ∝ rows^{exponent(curve):.2f}" if len(curve) > 1 else ""
        _line(ax, curve, OURS if name == "ours" else next(others), _words(name) + power)
    _line(ax, {10_000: 0.4, 100_000: 4.5}, {**REACH, "linestyle": "none", "marker": "_", "markersize": 18}, "reach")
    _axes(ax, "", "rows in the table", log="xy")
    ax.set_ylabel("CPU of moto for the whole scan, s")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return _finish(figure, "Reading the whole connections table")


def queue(run: Run) -> Any:
    """Rate and cost against the backlog; stock moto beside it on an empty queue."""
    sized = _sized(run, "queue-", "")
    if not sized:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2))
    empty = sized[min(sized)]
    backlogs = [0, *sized]
    others = iter(OTHERS)
    stock_styles = {"send": next(others), "drain": next(others)}
    for ax, metric in zip(axes, ("messages_per_s", "server_cpu_us_per_message"), strict=True):
        for word, style in (("send", OURS), ("drain", OURS | HOLLOW)):
            curve = {0: _median(empty, f"{word}_empty", metric), **_curve(sized, f"{word}_backlog", metric)}
            found = {backlogs.index(backlog): value for backlog, value in curve.items() if value is not None}
            _line(ax, found, style, f"{word}, patched moto")
            stock = _median(empty, f"{word}_stock_empty", metric)
            if stock is not None:
                _line(ax, {0: stock}, stock_styles[word], f"{word}, stock moto, empty queue")
        _axes(ax, "", "messages waiting", log="y")
        ax.set_xticks(range(len(backlogs)), [f"{backlog:,}" for backlog in backlogs])
        ax.margins(x=0.1)
    rates, costs = axes
    rates.axhline(500, **REACH)
    _note(rates, "reach: 500/s, flat", (len(backlogs) - 1, 500), (0, 3), ha="right", color=REACH["color"])
    rates.set_ylabel("messages per second")
    costs.set_ylabel("CPU of moto per message, µs")
    costs.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return _finish(figure, "The queue against its backlog")


def end_to_end(run: Run) -> Any:
    """First, median and last delivery by viewers; sustained rate."""
    sized = _sized(run, "end-to-end-", "")
    if not sized:
        return None
    figure, (spread, rate) = plt.subplots(1, 2, figsize=(10.5, 4.4), width_ratios=(2.2, 1))
    rows = [(viewers, name) for viewers in sorted(sized, reverse=True) for name in ("boto3_app", "ours")]
    for row, (viewers, name) in enumerate(rows):
        metrics = sized[viewers].subjects[name].metrics
        first, middle, last = (metrics[metric].median for metric in ("first_ms", "median_ms", "last_ms"))
        spread.barh(row, last - first, left=first, height=0.55, **BARS[sized[viewers].subjects[name].role])
        line = {"color": "white" if name == "ours" else "black", "linewidth": 2}
        spread.plot([middle, middle], [row - 0.27, row + 0.27], **line)
        _note(spread, f"{last:,.0f} ms", (last, row), (5, 0), va="center")
    _axes(spread, "one update: from first to last delivery, ms; the line is the median", log="x")
    spread.set_yticks(range(len(rows)), [f"{viewers:,} viewers, {_words(name)}" for viewers, name in rows])
    low, high = spread.get_xlim()
    spread.set_xlim(low / 1.3, high * 1.9)
    spread.grid(axis="y", visible=False)
    sustained = run.groups.get("end-to-end-sustained")
    if sustained is not None:
        _bars(rate, sustained, "deliveries_per_s")
        _axes(rate, "sustained deliveries/s,\n1,000 viewers, none lost")
    return _finish(figure, "From the queue to every viewer")


def cold_start(run: Run) -> Any:
    """CPU and memory of each import beside boto3's, with a line at 1.25 times."""
    group = run.groups.get("cold-start-import")
    if group is None:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 3.9), sharey=True)
    names = sorted(group.subjects, key=lambda name: (name != "boto3", name), reverse=True)
    panels = {"cpu_ms": "CPU to import, ms", "peak_memory_mib": "peak memory, MiB"}
    for ax, (metric, title) in zip(axes, panels.items(), strict=True):
        limit = 1.25 * group.subjects["boto3"].metrics[metric].median
        ax.axvline(limit, **REACH)
        for row, name in enumerate(names):
            value = group.subjects[name].metrics[metric].median
            ax.barh(row, value, height=0.6, **BARS[group.subjects[name].role])
            _note(ax, f"{value:,.0f}", (value, row), (4, 0), va="center")
        _note(ax, "1.25 × boto3", (limit, len(names) - 0.45), (4, 0), color=REACH["color"])
        ax.margins(x=0.15)
        _axes(ax, title)
        ax.set_yticks(range(len(names)), names)
        ax.grid(axis="y", visible=False)
    return _finish(figure, "Importing a handler, in a fresh interpreter each")


PICTURES: dict[str, Callable[[Run], Any]] = {
    "fanout": fanout,
    "gateway": gateway,
    "scan": scan,
    "queue": queue,
    "end_to_end": end_to_end,
    "cold_start": cold_start,
}


# -- parts of them -----------------------------------------------------------------------------------------------------


def _sized(run: Run, prefix: str, suffix: str) -> dict[int, Group]:
    """The groups named PREFIX, a number, SUFFIX, by that number."""
    found = {}
    for name, group in run.groups.items():
        middle = name.removeprefix(prefix).removesuffix(suffix)
        if name == f"{prefix}{middle}{suffix}" and middle.isdecimal():
            found[int(middle)] = group
    return dict(sorted(found.items()))


def _median(group: Group, subject: str, metric: str) -> float | None:
    found = group.subjects[subject].metrics.get(metric) if subject in group.subjects else None
    return None if found is None else found.median


def _curve(sized: dict[int, Group], subject: str, metric: str) -> dict[int, float]:
    medians = {size: _median(group, subject, metric) for size, group in sized.items()}
    return {size: value for size, value in medians.items() if value is not None}


def _line(ax: Axes, curve: dict[int, float], style: dict[str, Any], label: str) -> None:
    if curve:
        ax.plot(list(curve), list(curve.values()), **style, label=label)


def _bars(ax: Axes, group: Group, metric: str) -> None:
    """A bar for each subject that has the metric, ours first, with its value and what is aimed at."""
    subjects = [name for name in group.subjects if metric in group.subjects[name].metrics]
    subjects.sort(key=lambda name: (group.subjects[name].role != "ours", name))
    for place, name in enumerate(subjects):
        found = group.subjects[name].metrics[metric]
        ax.bar(place, found.median, width=0.55, **BARS[group.subjects[name].role])
        _note(ax, number(found.median), (place, found.median), (0, 3), ha="center")
        if found.reach is not None:
            ax.plot([place - 0.38, place + 0.38], [found.reach, found.reach], **REACH)
            _note(ax, f"reach {found.reach:,g}", (place + 0.38, found.reach), (0, 3), ha="right", color=REACH["color"])
    ax.set_xticks(range(len(subjects)), [_words(name).replace(" ", "\n", 1) for name in subjects])
    ax.set_xlim(-0.6, len(subjects) - 0.4)
    ax.margins(y=0.15)
    ax.grid(axis="x", visible=False)


def _note(ax: Axes, text: str, at: tuple[float, float], shift: tuple[int, int], **options: Any) -> None:
    """A small text beside a point, readable on whatever is behind it."""
    behind = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    ax.annotate(text, at, xytext=shift, textcoords="offset points", fontsize=SMALL, bbox=behind, zorder=9, **options)


def _axes(ax: Axes, title: str, x_label: str = "", log: str = "") -> None:
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlabel(x_label)
    for letter, axis, scale in (("x", ax.xaxis, ax.set_xscale), ("y", ax.yaxis, ax.set_yscale)):
        if letter in log:
            scale("log")
            axis.set_minor_formatter(NullFormatter())
        if letter in log or letter == "y":
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _finish(figure: Any, title: str) -> Any:
    figure.suptitle(title, x=0.01, ha="left", fontsize=12.5, fontweight="bold")
    figure.tight_layout(rect=(0, 0.03, 1, 0.985))
    return figure


if __name__ == "__main__":
    sys.exit(main())
