"""Stock moto turns an item into Python values and back for each projection, which costs three times the scan itself.

It converts the whole item once for each name of the projection. What it gives differs in one thing only: it writes
numbers anew (`1E3` as `1E+3`) and sets in any order, where the item has them as they were put.
"""

from __future__ import annotations

from collections.abc import Callable

from moto.dynamodb.models.dynamo_type import Item

from simulator.cloud.patches.patching import Patching

Paths = list[list[str]]


def apply(patching: Patching) -> None:
    """Take attributes that are projected as a whole from the item as they are; leave paths into them to stock moto."""
    stock: Callable[[Item, Paths], Item] = vars(Item)["project"]

    def project(self: Item, projection_expressions: Paths) -> Item:
        if any(len(path) != 1 or path[0].endswith("]") for path in projection_expressions):
            return stock(self, projection_expressions)
        projected = Item(self.hash_key, self.range_key, {})
        for [name] in projection_expressions:
            if name in self.attrs:
                projected.attrs[name] = self.attrs[name]
        return projected

    patching.replace(Item, "project", project)
