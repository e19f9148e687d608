"""DynamoDB tables: CloudFormation's properties into a `create_table` request."""

from __future__ import annotations

import re
from typing import Any

from simulator.stack.model import Table
from simulator.stack.names import StackReferences
from simulator.stack.resources import Properties, Resource

_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_KEY_TYPES = frozenset({"S", "N", "B"})


def build_table(resource: Resource, properties: Properties, names: StackReferences) -> Table:
    """One table. Raises `InputError` for what DynamoDB would refuse: names, keys without a definition, no capacity."""
    name = names.name(resource)
    if not _NAME.fullmatch(name):
        raise properties.error(
            "TableName", f"'{name}' must be 3 to 255 letters, digits, underscores, points and hyphens."
        )
    definitions = _definitions(properties)
    request: dict[str, Any] = {
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind} for key, kind in definitions.items()],
        "KeySchema": _key_schema(properties, definitions),
    }
    billing = properties.text("BillingMode", "PROVISIONED")
    if billing not in ("PROVISIONED", "PAY_PER_REQUEST"):
        raise properties.error("BillingMode", f"must be PROVISIONED or PAY_PER_REQUEST, and is '{billing}'.")
    request["BillingMode"] = billing
    if billing == "PROVISIONED":
        request["ProvisionedThroughput"] = _throughput(properties)
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        indexes = [
            _index(
                Properties(index, lambda value, _place: value, properties.place.at(kind).at(number)),
                definitions,
                provisioned=billing == "PROVISIONED" and kind == "GlobalSecondaryIndexes",
            )
            for number, index in enumerate(properties.items(kind))
        ]
        if indexes:
            request[kind] = indexes
    return Table(resource.logical_id, name, request, _ttl_attribute(properties))


def _definitions(properties: Properties) -> dict[str, str]:
    definitions: dict[str, str] = {}
    for number, item in enumerate(properties.items("AttributeDefinitions")):
        here = Properties(
            item if isinstance(item, dict) else {},
            lambda value, _place: value,
            properties.place.at("AttributeDefinitions").at(number),
        )
        kind = here.required("AttributeType")
        if kind not in _KEY_TYPES:
            raise here.error("AttributeType", f"must be S, N or B, and is '{kind}'.")
        definitions[here.required("AttributeName")] = kind
    return definitions


def _key_schema(properties: Properties, definitions: dict[str, str]) -> list[dict[str, str]]:
    schema = []
    for number, item in enumerate(properties.items("KeySchema")):
        here = Properties(
            item if isinstance(item, dict) else {},
            lambda value, _place: value,
            properties.place.at("KeySchema").at(number),
        )
        name, kind = here.required("AttributeName"), here.required("KeyType")
        if name not in definitions:
            raise here.error("AttributeName", f"'{name}' is not among the AttributeDefinitions; add it there.")
        schema.append({"AttributeName": name, "KeyType": kind})
    if [key["KeyType"] for key in schema] not in (["HASH"], ["HASH", "RANGE"]):
        raise properties.error("KeySchema", "must be one HASH key, optionally followed by one RANGE key.")
    return schema


def _throughput(properties: Properties) -> dict[str, int]:
    if not properties.mapping("ProvisionedThroughput"):
        raise properties.error("ProvisionedThroughput", "is missing; add it, or set BillingMode to PAY_PER_REQUEST.")
    inside = properties.inside("ProvisionedThroughput")
    units = ("ReadCapacityUnits", "WriteCapacityUnits")
    return {unit: inside.integer(unit, 1, 1, 1_000_000) for unit in units}


def _index(properties: Properties, definitions: dict[str, str], *, provisioned: bool) -> dict[str, Any]:
    index: dict[str, Any] = {
        "IndexName": properties.required("IndexName"),
        "KeySchema": _key_schema(properties, definitions),
        "Projection": properties.mapping("Projection") or {"ProjectionType": "ALL"},
    }
    if provisioned:
        index["ProvisionedThroughput"] = _throughput(properties)
    return index


def _ttl_attribute(properties: Properties) -> str | None:
    """The TTL attribute; CloudFormation takes `Enabled` as false when it is missing, and refuses that."""
    if not properties.mapping("TimeToLiveSpecification"):
        return None
    inside = properties.inside("TimeToLiveSpecification")
    if not inside.flag("Enabled"):
        return None
    return inside.required("AttributeName")
