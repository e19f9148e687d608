"""What the simulator itself answers below `/.tracker-sim/`; no stage can have that name.

`GET stats` tells counts to the load generator, and `GET posts` the latest posts that did not simply arrive and how many
bytes of frames were written to each socket that is open.
`POST clock` with `{"advance_s": 600}` moves the idle and age timers forward (L04, L08), so that code that reconnects
can be tested in seconds. `POST faults` switches a fault on and answers its id, `GET faults` lists what is on,
`POST faults/ID` with `{"duration_s": 30}` prolongs one and `DELETE faults/ID` ends it.

A page in the user's browser must reach none of it: it cannot send a JSON content type to another origin without being
asked whether it may, which nobody here answers, and a name that it points at this machine is not ours.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from simulator.errors import InputError, SimulatorError
from simulator.gateway.hosts import is_ours
from simulator.gateway.http_answers import HttpAnswer
from simulator.http11 import HttpRequest

if TYPE_CHECKING:
    from simulator.fault_board import FaultBoard
    from simulator.gateway.endpoint import Endpoint

PREFIX = "/.tracker-sim/"
STATS_PATH = f"{PREFIX}stats"
CLOCK_PATH = f"{PREFIX}clock"
FAULTS_PATH = f"{PREFIX}faults"
POSTS_PATH = f"{PREFIX}posts"

_JSON = ("content-type", "application/json")


def answer(endpoint: Endpoint, request: HttpRequest, path: str) -> HttpAnswer:
    """Answer one request."""
    if not is_ours(request.header("host"), endpoint.allowed_hosts):
        return _say(403, {"message": "Forbidden"})
    if path == STATS_PATH and request.method == "GET":
        return _say(200, endpoint.stats())
    if path == POSTS_PATH and request.method == "GET":
        written = {channel.peer: channel.written_bytes for channel in endpoint.channels.values()}
        return _say(200, {"posts": endpoint.post_troubles.to_json(), "written_bytes": written})
    if path == CLOCK_PATH and request.method == "POST":
        if not _is_json(request):
            return _say(415, {"message": 'Send {"advance_s": SECONDS} as application/json.'})
        seconds = _seconds(request.body)
        if seconds is None:
            return _say(400, {"message": 'Send {"advance_s": SECONDS} with seconds from 0 to 1e9.'})
        return _say(200, {"advanced_s": seconds, "closed": endpoint.advance_timers(seconds)})
    return _NOT_FOUND


async def answer_about_faults(endpoint: Endpoint, request: HttpRequest, path: str) -> HttpAnswer:
    """Answer one request that lists or switches faults."""
    board = endpoint.fault_board
    if not is_ours(request.header("host"), endpoint.allowed_hosts):
        return _say(403, {"message": "Forbidden"})
    if board is None or (path != FAULTS_PATH and not path.startswith(f"{FAULTS_PATH}/")):
        return _NOT_FOUND
    try:
        return await _switch(board, request, path.removeprefix(FAULTS_PATH).removeprefix("/"))
    except InputError as error:
        return _say(400, {"message": str(error)})
    except SimulatorError as error:
        return _say(500, {"message": str(error)})


async def _switch(board: FaultBoard, request: HttpRequest, fault_id: str) -> HttpAnswer:
    done = False
    if request.method == "GET" and not fault_id:
        return _say(200, {"faults": board.listing()})
    if request.method == "DELETE":
        # Like a JSON body, this method is nothing that a page may send elsewhere without being asked.
        done = await board.end(fault_id)
    elif request.method == "POST":
        if not _is_json(request):
            return _say(415, {"message": "Send a fault as application/json."})
        document = _document(request.body)
        if fault_id:
            done = board.prolong(fault_id, document.get("duration_s") if isinstance(document, dict) else None)
        else:
            fault_id, done = await board.begin(document), True
    return _say(200, {"id": fault_id}) if done else _NOT_FOUND


def _is_json(request: HttpRequest) -> bool:
    return (request.header("content-type") or "").partition(";")[0].strip().lower() == "application/json"


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


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


_NOT_FOUND = _say(404, {"message": "Not Found"})
