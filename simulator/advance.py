"""`tracker-sim clock`: move the idle and age timers of a running stack forward."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

from simulator.endpoints import Endpoints
from simulator.errors import EnvironmentFailure, InputError

CLOCK_PATH = "/.tracker-sim/clock"
_TIMEOUT_S = 10.0


def advance_timers(endpoints: Endpoints, seconds: float) -> int:
    """Move the timers by `seconds`; returns how many connections that closed.

    Raises InputError for a stack without a WebSocket API and EnvironmentFailure when it does not answer.
    """
    if endpoints.websocket_url is None:
        raise InputError("the running stack has no WebSocket API, so it has no idle or age timers.")
    address = urlsplit(endpoints.websocket_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", CLOCK_PATH, json.dumps({"advance_s": seconds}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        document = json.loads(answer.read())
        if answer.status != http.client.OK:
            raise EnvironmentFailure(f"the stack at {address.netloc} answered {answer.status}: {document['message']}")
        return int(document["closed"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise EnvironmentFailure(
            f"the stack at {address.netloc} does not answer ({error or type(error).__name__}); is it still running?"
        ) from error
    finally:
        connection.close()
