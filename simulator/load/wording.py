"""Counts in sentences."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "delivery"), counted(1200, "delivery"), counted(2, "batch"), counted(0, "update")
    ('1 delivery', '1,200 deliveries', '2 batches', '0 updates')
    """
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}{'es' if noun.endswith('ch') else 's'}"
