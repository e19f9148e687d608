"""The reference of the scenario language as Markdown; a test keeps `scenarios/README.md` equal to it."""

from __future__ import annotations

import json
import re

from simulator.fault_kinds import FAULT_KINDS
from simulator.load.audience import Group
from simulator.load.expectations import DEFAULTS
from simulator.load.language import documented
from simulator.load.metrics import METRICS, Metric
from simulator.load.phases import Phase
from simulator.load.scenario import RunSettings, Short, StackSettings, Top
from simulator.load.vendor_tables import MadeVendors, Phones, ScheduledVendors, TrackedVendors

BEGIN = "<!-- reference: `python -m simulator.load.language_reference` writes from here on -->"


def reference() -> str:
    """Everything below the mark in `scenarios/README.md`."""
    phones = frozenset(Phones.__dataclass_fields__)
    sections = [
        ("At the top", "", documented(Top)),
        ("`[stack]`", "", documented(StackSettings)),
        (
            "`[vendors]`",
            (
                "`source` says where the vendors come from: `made` (the default), `schedule` or `tracks`. Updates "
                "are due at the "
                "times that follow from these keys, whether or not the stack keeps up (an open load). Every source has:"
            ),
            documented(Phones),
        ),
        ("`[vendors]`, made", "Made from the seed:", documented(MadeVendors, without=phones)),
        (
            "`[vendors]`, schedule",
            "Replayed from a city's published schedule:",
            documented(ScheduledVendors, without=phones),
        ),
        ("`[vendors]`, tracks", "Where somebody's recorder went:", documented(TrackedVendors, without=phones)),
        (
            "`[[subscribers]]`",
            (
                "Groups of open maps, each a real WebSocket. One group may be written `[subscribers]`; without any "
                "there are "
                "50 of kind `viewer`."
            ),
            documented(Group),
        ),
        (
            "`[[phases]]`",
            (
                "The run in stretches of time. Without any there is one, `steady`. An update belongs to the phase it "
                "is due in."
            ),
            documented(Phase),
        ),
        ("`[run]`", "", documented(RunSettings)),
        ("`[[faults]]`", _FAULTS, _kinds()),
        ("`[expect]`", _EXPECT, _metrics()),
        ("`[short]`", "What `--short` changes, for a small machine; `tox -e scenarios` runs these.", documented(Short)),
    ]
    return (
        "\n\n".join("\n\n".join(filter(None, (f"## {title}", text, table))) for title, text, table in sections) + "\n"
    )


_FAULTS = """\
What goes wrong, each in a table of its own:

| key | unit | default | what it is |
|---|---|---|---|
| `kind` | name | – | What goes wrong |
| `target` | name | everything | Narrows it to what the kind's target says |
| `start_s` | seconds | 0 | When it begins, from the start of publishing |
| `duration_s` | seconds | to the end of the run | How long it lasts; a kind that is over in a moment has none |
| `probability` | 0 to 1 | 1 | Of each thing that it may hit, how likely it does |
| `attributes` | table | the kind's | What the kind needs to know |

Those of a local stack are refused by name when the target is deployed. The stack is whole again when the run ends, and
some seconds after it was killed. [docs/faults.md](../docs/faults.md) has more."""

_EXPECT = f"""\
A list of comparisons under `run`, for the whole run, or under the name of a phase. Arithmetic is allowed, and the
figures of one group of subscribers begin with its name:

```toml
[expect]
run = ["deliveries.duplicated / deliveries.expected <= 0.01", "groups.slow.deliveries.lost == 0"]
spike = ["latency_ms.last.p99 < 2000"]
```

Unless `run` says something about the same figure, these hold: {", ".join(f"`{each}`" for each in DEFAULTS)}.
A figure that cannot be found out does not meet an expectation. `tracker-sim scenarios metrics` lists the figures:"""


def _kinds() -> str:
    lines = [
        "| kind | acts on | target | probability of each | attributes (unit, default) | what happens |",
        "|---|---|---|---|---|---|",
    ]
    for kind in FAULT_KINDS.values():
        attributes = ", ".join(f"`{each.name}` ({each.unit}, {each.default})" for each in kind.attributes) or "–"
        where = f"{kind.piece}{' (local stacks)' if kind.local else ''}"
        cells = (f"`{kind.name}`", where, kind.target or "–", kind.each or "–", attributes, kind.help)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _metrics() -> str:
    rows = dict.fromkeys(
        (_pattern(metric.name), metric.unit, _known_of(metric), _about(metric)) for metric in METRICS.values()
    )
    lines = ["| figure | unit | of | what it is |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {unit} | {of} | {about} |" for name, unit, of, about in rows])


def _pattern(name: str) -> str:
    """One row for all latencies: `OF` is `all`, `first` or `last`, `LEVEL` one of the percentiles."""
    return re.sub(r"\.(all|first|last)\.\w+$", ".OF.LEVEL", name)


def _known_of(metric: Metric) -> str:
    return ", ".join(["run", *["phase"] * metric.of_phase, *["group"] * metric.of_group])


def _about(metric: Metric) -> str:
    if _pattern(metric.name) == metric.name:
        return metric.help
    return (
        f"latency {metric.help.rpartition(', ')[2]}; `OF` is `all` deliveries, or to the `first` or the `last` "
        "subscriber of "
        "each update; `LEVEL` is `p50`, `p90`, `p99`, `p999` or `max`"
    )


def _write() -> None:
    from simulator.load.json_schema import SCHEMA_FILE, scenario_schema  # noqa: PLC0415  only this command needs it
    from simulator.resources import bundled  # noqa: PLC0415

    folder = bundled("scenarios")
    readme = folder / "README.md"
    head = readme.read_text(encoding="utf-8").partition(BEGIN)[0]
    readme.write_text(f"{head}{BEGIN}\n\n{reference()}", encoding="utf-8")
    (folder / SCHEMA_FILE).write_text(json.dumps(scenario_schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write()
