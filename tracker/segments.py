"""One segment of a large broadcast as a queue message: the updates, and which part of the connections table.

`{"segment": 3, "segments": 8, "updates": ["{…}", …]}`; an update is the text that viewers get, as it came.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tracker.delivery import Outgoing
from tracker.errors import InvalidUpdateError
from tracker.updates import parse_update

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MESSAGE_BYTES = 1_000_000
"""SQS takes a little more, 1 MiB (Q22). Ten updates of 16 KB are far below it."""


class Segment(NamedTuple):
    """Which updates, and to whom."""

    number: int
    total: int
    outgoing: tuple[Outgoing, ...]


def encode_segments(outgoing: Sequence[Outgoing], total: int) -> list[str]:
    """All segments of one broadcast as message bodies."""
    updates = [each.body for each in outgoing]
    return [
        json.dumps(
            {"segment": number, "segments": total, "updates": updates}, ensure_ascii=False, separators=(",", ":")
        )
        for number in range(total)
    ]


def parse_segment(body: str) -> Segment:
    """The reverse; raises `InvalidUpdateError` for any other text."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidUpdateError("body", "is not JSON text") from error
    if not isinstance(document, dict):
        raise InvalidUpdateError("body", "must be a JSON object")
    number, total, updates = document.get("segment"), document.get("segments"), document.get("updates")
    whole = [each for each in (number, total) if isinstance(each, int) and not isinstance(each, bool)]
    if len(whole) != 2 or not 0 <= whole[0] < whole[1]:  # noqa: PLR2004  the two of them
        raise InvalidUpdateError("segment", "and segments must be whole numbers, the first below the second")
    if not isinstance(updates, list) or not updates or not all(isinstance(each, str) for each in updates):
        raise InvalidUpdateError("updates", "must be a list of texts")
    return Segment(whole[0], whole[1], tuple(Outgoing(parse_update(each), each) for each in updates))
