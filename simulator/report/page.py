"""The HTML report: one file that needs nothing else and asks nobody for anything.

Texts of a run are hostile (vendors, viewers and files choose them). Jinja escapes every value; what a reader could not
see, or what turns the writing direction, is written out before (`printable`); data for the script lies in a block
that is not executed. The page's own policy allows its two scripts and its style sheet by their hashes, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from simulator.load.hostile_text import printable
from simulator.report.chart_library import chart_library
from simulator.report.charts import charts, timelines, to_data
from simulator.report.comparison import differences, letter
from simulator.report.figures import moment, number_in, sections, shown, shown_difference
from simulator.report.limits import limits
from simulator.report.run_report import RunReport
from simulator.report.tables import LEVELS, expectation_lines, found_words, held_words, latency_lines

_LONGEST_TEXT = 2_000
_MOST_VENDORS = 200
_MOST_LOSSES = 100
_MS_OF_S = 1_000
_NO_FRACTION_FROM_MS = 10
_END_OF_SCRIPT = re.compile(r"</(script)|<!--", re.IGNORECASE)
_SECTIONS = (
    ("latency", "Latency"),
    ("rates", "Updates and deliveries"),
    ("stack", "Queue, functions and viewers"),
    ("limits", "What this run cannot tell"),
)


def html_page(runs: Sequence[RunReport]) -> str:
    """The page for one run, or for several: the first is what the others are set against."""
    lines = timelines(runs)
    drawn = charts(runs, lines)
    library, script, style = chart_library(), _asset("page.js"), _asset("page.css")
    if _END_OF_SCRIPT.search(library):
        library = _END_OF_SCRIPT.sub(lambda found: found[0].replace("<", r"\x3c"), library)
    environment = Environment(
        autoescape=True,
        finalize=_finalized,
        loader=FunctionLoader(_asset),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        shown=shown, found=found_words, held=held_words, letter=letter, ago=_clock, moment=moment, breakable=_breakable
    )
    return environment.get_template("page.html.jinja").render(
        runs=runs,
        is_comparison=len(runs) > 1,
        warnings=differences(runs),
        expectations=expectation_lines(runs),
        sections=sections(runs),
        difference=shown_difference,
        tiles=[_tiles(run) for run in runs],
        levels=[name for name, _ in LEVELS],
        latencies=latency_lines(runs),
        limits=[limits(run) for run in runs],
        charts=drawn,
        chart_sections=_SECTIONS,
        vendors=[run.vendors[:_MOST_VENDORS] for run in runs],
        losses=[run.losses.told[:_MOST_LOSSES] for run in runs],
        names=[{each.vendor: each.name or each.vendor for each in run.vendors} for run in runs],
        packages=sorted({name for run in runs for name in run.versions.get("packages", {})}),
        settings=[dict(_flat(run.settings)) for run in runs],
        policy=_policy([library, script], style),
        library=_markup(library),
        script=_markup(script),
        style=_markup(style),
        data=_markup(_data(to_data(runs, lines, drawn))),
        version=metadata.version("vendor-tracker"),
    )


def _tiles(run: RunReport) -> list[tuple[str, str, str]]:
    """The figures that answer most questions: words, figure, and what stands below it."""

    def number(path: str) -> float | None:
        return number_in(run.verdict, path)

    return [
        ("Lost", shown(number("deliveries.lost")), f"of {shown(number('deliveries.expected'))} deliveries"),
        (
            "Last viewer, p99",
            _brief(number("latency_ms.last.p99")),
            f"p50 {_brief(number('latency_ms.last.p50'))}",
        ),
        (
            "All deliveries, p99",
            _brief(number("latency_ms.all.p99")),
            f"p50 {_brief(number('latency_ms.all.p50'))}",
        ),
        (
            "Updates",
            f"{shown(number('rates.achieved_updates_per_s'))} per s",
            f"{shown(number('rates.asked_updates_per_s'))} asked; {shown(number('updates.published'))} in all",
        ),
        ("Viewers", shown(number("connections.opened")), f"{shown(number('connections.dropped'))} dropped"),
        ("Maps at the end", f"{shown(number('final_positions.wrong'))} wrong", _of_positions(run)),
    ]


def _brief(ms: float | None) -> str:
    """Milliseconds in as few characters as say enough.

    >>> _brief(0.4), _brief(41.27), _brief(432.1), _brief(23_855.1), _brief(None)
    ('0.4 ms', '41 ms', '432 ms', '23.9 s', '–')
    """
    if ms is None:
        return "–"
    if ms >= _MS_OF_S:
        return f"{ms / _MS_OF_S:,.1f} s"
    return f"{ms:.{0 if ms >= _NO_FRACTION_FROM_MS else 1}f} ms"


def _of_positions(run: RunReport) -> str:
    return f"of {shown(number_in(run.verdict, 'final_positions.checked'))} positions"


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, each in value.items() for pair in _flat(each, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        return [pair for number, each in enumerate(value) for pair in _flat(each, f"{path}[{number}]")]
    if value is None or value in ([], {}):
        return []
    return [(path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))]


def _clock(seconds: float | None) -> str:
    """Seconds of a run for people.

    >>> _clock(7.25), _clock(75), _clock(None)
    ('7.2 s', '1 min 15 s', '–')
    """
    if seconds is None:
        return "–"
    if abs(seconds) < 60:  # noqa: PLR2004  a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(abs(seconds)), 60)
    return f"{'−' if seconds < 0 else ''}{minutes} min {rest} s"


def _breakable(text: str) -> Markup:
    """Escaped, with places to break a long line after each dot and before each underscore."""
    return escape(printable(text, _LONGEST_TEXT)).replace(".", Markup(".<wbr>")).replace("_", Markup("<wbr>_"))


def _finalized(value: Any) -> Any:
    return printable(value, _LONGEST_TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> str:
    return files("simulator.report").joinpath("assets", name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _markup(own: str) -> Markup:
    """What is ours, or encoded by us."""
    return Markup(own)  # noqa: S704  the library, our own files, and JSON without a single <, > or &


def _policy(scripts: Sequence[str], style: str) -> str:
    allowed = " ".join(_hashed(each) for each in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hashed(style)}; img-src data:; base-uri 'none'; "
        f"form-action 'none'"
    )


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(value: Any) -> str:
    text = json.dumps(_clean(value), separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _clean(value: Any) -> Any:
    """Texts made printable, and numbers that JSON does not have made null."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _clean(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value]
    return value
