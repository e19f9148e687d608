"""The JSON Schema of scenario files, for editors, made from the same descriptions as the parser."""

from __future__ import annotations

from typing import Any

from simulator.fault_kinds import FAULT_KINDS, Attribute
from simulator.load.audience import Group
from simulator.load.language import object_schema, properties_of
from simulator.load.metrics import METRICS
from simulator.load.phases import Phase
from simulator.load.scenario import RunSettings, Short, StackSettings, Top
from simulator.load.vendor_tables import SOURCES

SCHEMA_FILE = "scenario.schema.json"
"""In the folder of the library, and beside it in an installed wheel."""


def scenario_schema() -> dict[str, Any]:
    """The whole schema (JSON Schema 2020-12). Rules between keys are the parser's alone: `scenarios check` has them."""
    group = object_schema(properties_of(Group), "Subscribers of one kind who come in one way")
    expectation = {
        "type": "string",
        "description": f"A comparison of figures, such as `{next(iter(METRICS))} > 0`; `scenarios metrics` lists them",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tracker-sim scenario",
        **object_schema(
            {
                **properties_of(Top),
                "stack": object_schema(properties_of(StackSettings), "Which stack the scenario wants"),
                "vendors": {
                    "description": "Where the vendors come from",
                    "oneOf": [_source(name) for name in SOURCES],
                },
                "subscribers": {
                    "description": "One group of subscribers, or a list of them",
                    "oneOf": [group, {"type": "array", "items": group}],
                },
                "phases": {"type": "array", "items": object_schema(properties_of(Phase), required=("name",))},
                "run": object_schema(properties_of(RunSettings), "How long the run lasts"),
                "faults": {"type": "array", "items": {"oneOf": [_fault(name) for name in FAULT_KINDS]}},
                "expect": {
                    "type": "object",
                    "description": "Expectations of the whole `run`, and of phases by their names",
                    "additionalProperties": {"oneOf": [expectation, {"type": "array", "items": expectation}]},
                },
                "short": object_schema(properties_of(Short), "What --short changes"),
            }
        ),
    }


def _source(name: str) -> dict[str, Any]:
    source: dict[str, Any] = {"const": name}
    if name == "made":
        source["default"] = name
    return object_schema(
        {"source": source, **properties_of(SOURCES[name])}, required=() if name == "made" else ("source",)
    )


def _fault(name: str) -> dict[str, Any]:
    kind = FAULT_KINDS[name]
    properties: dict[str, Any] = {
        "kind": {"const": name, "description": kind.help},
        "start_s": {"type": "number", "minimum": 0, "default": 0},
        "attributes": object_schema({each.name: _attribute(each) for each in kind.attributes}),
    }
    if kind.each:
        properties["probability"] = {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 1,
            "description": f"Of each {kind.each}, how likely it is hit",
        }
    if kind.target:
        properties["target"] = {"type": "string", "description": kind.target}
    if kind.timed:
        properties["duration_s"] = {"type": "number", "exclusiveMinimum": 0}
    return object_schema(properties, required=("kind",))


def _attribute(attribute: Attribute) -> dict[str, Any]:
    default = attribute.default
    kind = (
        "boolean"
        if isinstance(default, bool)
        else "string"
        if isinstance(default, str)
        else "integer"
        if isinstance(default, int)
        else "number"
    )
    schema: dict[str, Any] = {"type": kind, "default": default, "description": f"{attribute.help} ({attribute.unit})"}
    if attribute.choices:
        schema["enum"] = list(attribute.choices)
    if kind in ("integer", "number"):
        schema["minimum"] = attribute.low
        if attribute.high != float("inf"):
            schema["maximum"] = attribute.high
    return schema
