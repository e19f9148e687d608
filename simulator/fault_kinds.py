"""Every kind of fault there is: what it acts on, which attributes it takes, and who can bring it about.

The one registry. The scenario reader checks `[[faults]]` against it, `tracker-sim faults` lists it, and so does the
stack itself check what it is asked to break. Whoever performs a kind finds every attribute filled in: a `Lever` of the
run (`simulator.load.fault_play`), or a `FaultRoom` of a local stack (`simulator.active_faults`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal

Direction = Literal["to viewers", "from viewers", "both", "none"]
GROUP = "a group of subscribers"
CONNECTION = "a group of subscribers; by hand, a connection, by its id"
"""Of those that are connected when it begins."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a kind. Its type is that of its default: flag, whole number, number or text."""

    name: str
    """With the unit at its end, as everywhere: `delay_ms`."""
    unit: str
    default: bool | float | str
    help: str
    low: float = 0.0
    high: float = math.inf
    choices: tuple[str, ...] = ()
    """For text: the words allowed; empty allows any."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a fault of this kind does."""

    name: str
    piece: str
    """The part of the system that it acts on: `viewers`, `gateway`, `@connections`, `dynamodb`, `sqs`, `function` …"""
    target: str
    """What the key `target` may name to narrow it (`a group of subscribers`); empty when there is nothing to narrow."""
    help: str
    """One line, half a sentence."""
    each: str = ""
    """What `probability` is drawn for, one by one: `call`, `viewer`, `message`; empty when there is no chance in it."""
    direction: Direction = "none"
    attributes: tuple[Attribute, ...] = ()
    local: bool = False
    """Done by the rooms of a local stack, through its control endpoint; a deployed one cannot be made to do it."""
    timed: bool = True
    """Lasts for a while. A kind that is over in a moment (a reset) takes no duration."""

    @property
    def takes_a_group(self) -> bool:
        """Whether a scenario may narrow it to a group of subscribers."""
        return self.target.startswith(GROUP)

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of that name, if it has one."""
        return next((each for each in self.attributes if each.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """As plain values; a bound that there is not is null."""
        return {
            **asdict(self),
            "attributes": [
                {**asdict(each), "high": each.high if math.isfinite(each.high) else None} for each in self.attributes
            ],
        }


DYNAMODB_THROTTLES = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")
"""What a throttled call may be told (D11)."""
POISON_BODIES = ("mixed", "not_json", "truncated", "no_object", "no_update", "wrong_types", "huge")

_DELIVERED = Attribute("delivered", "flag", False, "the viewer gets the message nevertheless")
_OPERATION = Attribute("operation", "name", "any", "only calls of this operation, such as Scan; any: all")
_DELAY = (
    Attribute("delay_ms", "milliseconds", 200.0, "how much later", high=600_000),
    Attribute("jitter_ms", "milliseconds", 0.0, "up to this much more, evenly drawn", high=600_000),
)

_ALL = (
    # -- viewers: the swarm does these to itself ---------------------------------------------------------------------
    FaultKind(
        "viewer_reset",
        piece="viewers",
        target=GROUP,
        help="connections of viewers are cut without a close frame",
        each="viewer",
        direction="both",
        timed=False,
    ),
    FaultKind(
        "viewer_freeze",
        piece="viewers",
        target=GROUP,
        help="viewers stop reading, and read on when it is over",
        each="viewer",
        direction="to viewers",
    ),
    FaultKind(
        "viewer_slow",
        piece="viewers",
        target=GROUP,
        help="viewers read for a while and pause for a while, in turns",
        each="viewer",
        direction="to viewers",
        attributes=(
            Attribute("read_ms", "milliseconds", 100.0, "how long they read", low=1, high=600_000),
            Attribute("pause_ms", "milliseconds", 900.0, "how long they do not", low=1, high=600_000),
        ),
    ),
    # -- what the run puts into tables and queues --------------------------------------------------------------------
    FaultKind(
        "stale_rows",
        piece="connections table",
        target="",
        help="rows without sockets are written, as closed connections leave them when $disconnect never ran (D13)",
        attributes=(
            Attribute("share", "share", 0.3, "of all rows there are then", low=0.001, high=0.99),
            Attribute("age_s", "seconds", 3_600.0, "how long ago they say that they connected", high=7_200),
        ),
        timed=False,
    ),
    FaultKind(
        "poison_messages",
        piece="vendor queue",
        target="",
        help="messages that are no update come to the vendor queue, evenly over its duration; without one all at once",
        attributes=(
            Attribute("messages", "messages", 10, "how many", low=1, high=10_000),
            Attribute("body", "word", "mixed", "what is wrong with them", choices=POISON_BODIES),
        ),
    ),
    # -- the gateway -------------------------------------------------------------------------------------------------
    FaultKind(
        "half_open",
        piece="gateway",
        target=CONNECTION,
        help="peers vanish without a word: what they are sent is lost and looks sent, until the end cuts them off",
        each="viewer",
        direction="both",
        local=True,
    ),
    FaultKind(
        "callback_latency",
        piece="@connections",
        target=CONNECTION,
        help="POSTs are handled later",
        each="call",
        direction="to viewers",
        attributes=_DELAY,
        local=True,
    ),
    FaultKind(
        "callback_throttle",
        piece="@connections",
        target=CONNECTION,
        help="POSTs are answered 429 and nothing is delivered (C14, L11)",
        each="call",
        direction="to viewers",
        local=True,
    ),
    FaultKind(
        "callback_error",
        piece="@connections",
        target=CONNECTION,
        help="POSTs are answered with a server error",
        each="call",
        direction="to viewers",
        attributes=(Attribute("status", "HTTP status", 500, "which one", low=500, high=599), _DELIVERED),
        local=True,
    ),
    FaultKind(
        "callback_hang",
        piece="@connections",
        target=CONNECTION,
        help="POSTs hang and then fail, as to a half-open peer (C20)",
        each="call",
        direction="to viewers",
        attributes=(
            Attribute("hang_ms", "milliseconds", 10_000.0, "how long", high=600_000),
            Attribute("status", "HTTP status", 500, "what they are answered at last", low=500, high=599),
            _DELIVERED,
        ),
        local=True,
    ),
    FaultKind(
        "callback_reset",
        piece="@connections",
        target=CONNECTION,
        help="the connection of the function to the gateway is cut in place of an answer",
        each="call",
        direction="to viewers",
        attributes=(_DELIVERED,),
        local=True,
    ),
    FaultKind(
        "callback_race",
        piece="@connections",
        target=CONNECTION,
        help="POSTs race a disconnect and are answered wrongly (C17)",
        each="call",
        direction="to viewers",
        attributes=(
            Attribute(
                "answer",
                "word",
                "ok",
                "ok: 200 though it is never delivered; gone: 410 though it is",
                choices=("ok", "gone"),
            ),
            Attribute("closes", "flag", True, "the viewer's connection is cut right after, as in a race"),
        ),
        local=True,
    ),
    # -- functions ---------------------------------------------------------------------------------------------------
    FaultKind(
        "function_kill",
        piece="function",
        target="a function, by its name or logical id",
        help="the environment is killed in the middle of an invocation (F12)",
        each="invocation",
        attributes=(Attribute("after_ms", "milliseconds", 50.0, "how long it runs before", high=900_000),),
        local=True,
    ),
    FaultKind(
        "function_timeout",
        piece="function",
        target="a function, by its name or logical id",
        help="the handler stops getting on, and its time runs out (F10)",
        each="invocation",
        attributes=(Attribute("after_ms", "milliseconds", 50.0, "how long it runs before", high=900_000),),
        local=True,
    ),
    FaultKind(
        "function_throttle",
        piece="function",
        target="a function, by its name or logical id",
        help="invocations are refused for lack of concurrency (F16)",
        each="invocation",
        local=True,
    ),
    FaultKind(
        "function_cold_start",
        piece="function",
        target="a function, by its name or logical id",
        help="idle environments are thrown away first, so that the invocation starts cold",
        each="invocation",
        local=True,
    ),
    # -- triggers ----------------------------------------------------------------------------------------------------
    FaultKind(
        "trigger_off",
        piece="trigger",
        target="a queue, by its name or logical id",
        help="nothing is received and what comes waits: an outage, and a burst after it (Q25)",
        local=True,
    ),
    FaultKind(
        "sqs_duplicate",
        piece="trigger",
        target="a queue, by its name or logical id",
        help="messages are delivered to the function a second time (Q09); not on FIFO queues",
        each="message",
        local=True,
    ),
    FaultKind(
        "sqs_reorder",
        piece="trigger",
        target="a queue, by its name or logical id",
        help="messages are held back behind later ones (Q08); not on FIFO queues",
        each="message",
        local=True,
    ),
    # -- the cloud ---------------------------------------------------------------------------------------------------
    FaultKind(
        "sqs_delay",
        piece="sqs",
        target="a queue, by its name or logical id",
        help="messages that are sent become visible later; not on FIFO queues",
        each="message",
        attributes=(Attribute("delay_s", "seconds", 5, "how much later", low=1, high=900),),
        local=True,
    ),
    FaultKind(
        "dynamodb_throttle",
        piece="dynamodb",
        target="a table, by its name or logical id",
        help="calls are refused for lack of capacity (D11)",
        each="call",
        attributes=(
            _OPERATION,
            Attribute("error", "word", DYNAMODB_THROTTLES[0], "what they are told", choices=DYNAMODB_THROTTLES),
        ),
        local=True,
    ),
    FaultKind(
        "dynamodb_error",
        piece="dynamodb",
        target="a table, by its name or logical id",
        help="calls fail with 500 and change nothing",
        each="call",
        attributes=(_OPERATION,),
        local=True,
    ),
    FaultKind(
        "dynamodb_latency",
        piece="dynamodb",
        target="a table, by its name or logical id",
        help="calls are handled later",
        each="call",
        attributes=(_OPERATION, *_DELAY),
        local=True,
    ),
    FaultKind(
        "dynamodb_stale_scan",
        piece="dynamodb",
        target="a table, by its name or logical id",
        help="eventually consistent scans miss new rows (D06); consistent ones do not",
        each="new row in a scan",
        attributes=(Attribute("lag_ms", "milliseconds", 1_000.0, "how long a row counts as new", high=600_000),),
        local=True,
    ),
)

FAULT_KINDS: Mapping[str, FaultKind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""By name, in the order in which they are listed."""
