"""Results and comparisons as aligned text or Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from instruments.comparison import Compared, Quotient
from instruments.results import Group, Metric, Run

_ROLES = ("ours", "reference", "ceiling", "floor")
_SHOWN_AS_SUCH = 100
"""Larger numbers are shown without decimals."""


def number(value: float | None) -> str:
    """Three significant digits or more, thousands separated; a dash for None."""
    if value is None:
        return "–"
    if abs(value) >= _SHOWN_AS_SUCH:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or not value else f"{value:.2g}"


def run_as_text(run: Run) -> str:
    """Every group: medians of each subject, then the ratios."""
    parts = [_title(run)]
    for name, group in run.groups.items():
        if group.subjects:
            facts = "".join(f"\n  {key}: {value}" for key, value in group.facts.items())
            parts.append(f"\n{name}: {group.title}{facts}\n{aligned(_medians(group))}")
            if group.ratios:
                parts.append(aligned(_ratios(group)))
    reaches = reaches_as_rows(run)
    if len(reaches) > 1:
        parts.append(f"\nwhat is aimed at\n{aligned(reaches)}")
    return "\n".join(parts) + "\n"


def reaches_as_rows(run: Run) -> list[list[str]]:
    """What is aimed at and what was found, with its heading; a machine of its own is meant, so it is no verdict."""
    rows = [["group", "figure", "found", "aimed at"]]
    for name, group in run.groups.items():
        for who, subject in group.subjects.items():
            for metric_name, metric in subject.metrics.items():
                if metric.reach is not None:
                    wanted = f"{'<' if metric.better == 'lower' else '>'} {number(metric.reach)}"
                    rows.append([name, f"{who}: {_label(group, metric_name)}", number(metric.median), wanted])
        for ratio in group.ratios:
            if ratio.reach is not None:
                figure = f"{ratio.of}, times better than {ratio.against}: {_label(group, ratio.metric)}"
                rows.append([name, figure, number(group.gain(ratio)), f"≥ {number(ratio.reach)}"])
    return rows


def compared_as_rows(compared: Iterable[Compared]) -> list[list[str]]:
    """One line per ratio, with its heading."""
    rows = [["group", "how many times better", "base", "now", "again", "change", ""]]
    for each in compared:
        change = "–" if each.change is None else f"{(each.change - 1) * 100:+.0f} %"
        confirming = "" if each.confirming is None else number(each.confirming)
        rows.append(
            [each.group, each.ratio.key, number(each.base), number(each.gain), confirming, change, each.finding.value]
        )
    return rows


def quotients_as_rows(quotients: Iterable[Quotient]) -> list[list[str]]:
    """One line per ratio: the working tree's divided by the base's, with its interval."""
    rows = [["group", "how many times better", "working tree / base", "95 % interval", ""]]
    for each in quotients:
        interval = f"{each.low:.2f} – {each.high:.2f}"
        rows.append([each.group, each.ratio.key, f"{each.change:.2f}", interval, each.verdict])
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be; all but the first two to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 or not _numeric(rows, column) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table with the first row as its heading."""
    heading, *lines = rows
    rule = ["--:" if column and _numeric(rows, column) else "---" for column in range(len(heading))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, rule, *lines))


def _numeric(rows: Sequence[Sequence[str]], column: int) -> bool:
    return any(row[column][:1].isdigit() or row[column][:1] in "+-–" for row in rows[1:] if row[column])


def _title(run: Run) -> str:
    about = run.surroundings
    machine, versions, commit = about.get("machine", {}), about.get("versions", {}), about.get("commit")
    code = "no checkout" if not commit else commit["id"][:12] + (" with changes" if commit["dirty"] else "")
    return (
        f"{about.get('began')} · {code} · Python {versions.get('python')} · {machine.get('cpu')}, "
        f"{machine.get('cpus')} CPUs · load average {machine.get('load_average')}"
    )


def _medians(group: Group) -> list[list[str]]:
    names = list(dict.fromkeys(name for subject in group.subjects.values() for name in subject.metrics))
    rows = [["subject", "", *(_label(group, name) for name in names)]]
    for name, subject in sorted(group.subjects.items(), key=lambda each: _ROLES.index(each[1].role)):
        rows.append([name, subject.role, *(_median(subject.metrics.get(metric)) for metric in names)])
    return rows


def _label(group: Group, name: str) -> str:
    """The metric's name in words and its unit: `client_cpu_us_per_post` is `client CPU, µs/post`."""
    metric = next(each.metrics[name] for each in group.subjects.values() if name in each.metrics)
    if name.endswith("_per_s"):
        return metric.unit
    for suffix in ("_us", "_ms", "_s", "_kib", "_mib"):
        name = name.removesuffix(suffix)
    words = name.partition("_us_per_")[0].replace("_", " ").replace("cpu", "CPU")
    return f"{words}, {metric.unit}"


def _median(metric: Metric | None) -> str:
    if metric is None:
        return ""
    reach = (
        "" if metric.reach is None else f" (reach {'<' if metric.better == 'lower' else '>'} {number(metric.reach)})"
    )
    return number(metric.median) + reach


def _ratios(group: Group) -> list[list[str]]:
    rows = [["how many times better", "", "median", "reach"]]
    for (of, against), ratios in groupby(group.ratios, key=lambda ratio: (ratio.of, ratio.against)):
        for ratio in ratios:
            reach = "" if ratio.reach is None else number(ratio.reach)
            rows.append([f"{of} than {against}", ratio.metric, number(group.gain(ratio)), reach])
    return rows
