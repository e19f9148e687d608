"""The probe's handler for direct invocations: does what the event's `do` says, and returns what it is asked for.

Besides the steps of `probe.py` (`post` and others that need one find the `requestContext` in the event):

    {"tell": "context"}                  return the context, or "environment", "event types", "state"
    {"give": "decimal"}                  return a value that is no plain JSON, see `_given`
    {"give_length": N}                   return a text of so many characters
    {"leave": [STEP, …]}                 run these steps in a thread that is left behind when the handler returns
    {"join": true}                       wait for the thread that an earlier event left behind
    {"print": TEXT}                      print it
    {"exit_at_once": CODE}               end the process without ado
    {"file": {"name": …, "text": …}}     return what was in this temporary file, and write the text into it
    {"change_event": true}               change the event
"""

import datetime as dt
import decimal
import os
import tempfile
import threading
from pathlib import Path

import probe

left_behind = []
_GIVEN = {
    "decimal": decimal.Decimal("1.50"),
    "nan": decimal.Decimal("NaN"),
    "set": {1},
    "datetime": dt.datetime(2024, 3, 12, tzinfo=dt.UTC),
    "bytes": b'{"raw":  true}',
    "none": None,
    "text": "é🚚",
}


def handler(event, context):
    """See the module's first lines."""
    probe.invocations += 1
    if "run" in event:
        probe.keep(event["run"], {"kind": "event", "event": event, "request_id": context.aws_request_id})
    result = None
    for step in event.get("do", []):
        ((name, value),) = step.items()
        if name in _ANSWERS:
            result = _ANSWERS[name](value, event, context)
        elif name == "return":
            result = value
        else:
            _step(step, event)
    return result


def _step(step, event):
    ((name, value),) = step.items()
    if name == "leave":
        left_behind.append(threading.Thread(target=_run_all, args=(value, event), daemon=True))
        left_behind[-1].start()
    elif name == "join":
        left_behind.pop().join()
    elif name == "print":
        print(value)  # noqa: T201  what is printed is what is tested
    elif name == "exit_at_once":
        os._exit(value)
    elif name == "change_event":
        event.clear()
    else:
        probe._step(step, event, event.get("requestContext", {}).get("connectionId"))


def _run_all(steps, event):
    for step in steps:
        _step(step, event)


def _tell(what, event, context):
    if what == "environment":
        return dict(os.environ)
    if what == "state":
        return {"environment": context.log_stream_name, "invocations": probe.invocations}
    if what == "event types":
        return {name: type(value).__module__ + "." + type(value).__name__ for name, value in event.items()}
    client = context.client_context
    return {
        **probe._context_facts(context),
        "remaining_is_int": type(context.get_remaining_time_in_millis()) is int,
        "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
        "client_context": client and {"custom": client.custom, "env": client.env, "title": client.client.app_title},
        "tenant_id": context.tenant_id,
        "log": callable(context.log),
    }


def _file(wanted, _event, _context):
    file = Path(tempfile.gettempdir()) / wanted["name"]
    before = file.read_text() if file.exists() else None
    file.write_text(wanted["text"])
    return before


_ANSWERS = {
    "tell": _tell,
    "give": lambda what, _event, _context: _GIVEN[what],
    "give_length": lambda length, _event, _context: "x" * length,
    "file": _file,
}
