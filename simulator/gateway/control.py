"""What the simulator itself answers below `/.tracker-sim/`; no stage can have that name.

`GET stats` tells counts to the load generator. `POST clock` with `{"advance_s": 600}` moves the idle and age timers
forward (L04, L08), so that code that reconnects can be tested in seconds.

A page in the user's browser must reach neither: it cannot send a JSON content type to another origin without being
asked whether it may, which nobody here answers, and a name that it points at this machine is not ours.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from simulator.gateway.hosts import is_ours
from simulator.gateway.http_answers import HttpAnswer
from simulator.http11 import HttpRequest

if TYPE_CHECKING:
    from simulator.gateway.endpoint import Endpoint

PREFIX = "/.tracker-sim/"
STATS_PATH = f"{PREFIX}stats"
CLOCK_PATH = f"{PREFIX}clock"

_JSON = ("content-type", "application/json")


def answer(endpoint: Endpoint, request: HttpRequest, path: str) -> HttpAnswer:
    """Answer one request."""
    if not is_ours(request.header("host"), endpoint.allowed_hosts):
        return _say(403, {"message": "Forbidden"})
    if path == STATS_PATH and request.method == "GET":
        return _say(200, endpoint.stats())
    if path == CLOCK_PATH and request.method == "POST":
        if (request.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
            return _say(415, {"message": 'Send {"advance_s": SECONDS} as application/json.'})
        seconds = _seconds(request.body)
        if seconds is None:
            return _say(400, {"message": 'Send {"advance_s": SECONDS} with seconds from 0 to 1e9.'})
        return _say(200, {"advanced_s": seconds, "closed": endpoint.advance_timers(seconds)})
    return _say(404, {"message": "Not Found"})


def _seconds(body: bytes) -> float | None:
    try:
        seconds = json.loads(body)["advance_s"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return float(seconds) if 0 <= seconds <= 1e9 else None  # noqa: PLR2004  thirty years


def _say(status: int, document: Any) -> HttpAnswer:
    return HttpAnswer(status, (_JSON, ("cache-control", "no-store")), json.dumps(document).encode())
