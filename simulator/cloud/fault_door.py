"""The door in front of moto, in the child process: lets calls pass, and while faults are on makes some go wrong.

Only calls in the JSON protocol can be hit, which is all that the tracker, the load and today's SDKs speak.
"""

from __future__ import annotations

import io
import json
import threading
import time
from random import Random
from typing import Any

from simulator.active_faults import ActiveFault, FaultSet
from simulator.cloud.fault_rules import (
    DYNAMODB_KINDS,
    SQS_DELAY,
    STALE_SCAN,
    Failing,
    delayed_request,
    dynamodb_mishap,
    tables_of,
)
from simulator.cloud.http_server import Application, Environ, Reply

_DYNAMODB = "DynamoDB_20120810"
_SQS = "AmazonSQS"
_JSON = "application/x-amz-json-1.0"


class FaultDoor:
    """An `Application` around another one."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._faults = FaultSet()
        self._dynamodb: tuple[ActiveFault, ...] | None = None
        self._sqs: tuple[ActiveFault, ...] | None = None
        self._drawing = threading.Lock()
        """Each fault has one stream, and calls come in threads of their own."""

    def __call__(self, environ: Environ) -> Reply:
        """Answer one call."""
        if self._dynamodb is None and self._sqs is None:
            return self._application(environ)
        service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service == _DYNAMODB and self._dynamodb is not None:
            failing = self._spoil_dynamodb(self._dynamodb, operation, environ)
            if failing is not None:
                return failing
        elif service == _SQS and self._sqs is not None:
            self._delay_messages(self._sqs, operation, environ)
        return self._application(environ)

    def switch(self, order: dict[str, Any]) -> None:
        """Do what the parent orders: `{"on": {"id", "kind", "target", …}}` or `{"off": id}`."""
        if "off" in order:
            self._faults.remove(order["off"])
        else:
            wish = dict(order["on"])
            fault_id = wish.pop("id")
            seed = wish["seed"]
            self._faults.add(fault_id, ActiveFault(chance=Random(seed), **wish))  # noqa: S311  replayable chance
        self._dynamodb = self._faults.of(*DYNAMODB_KINDS)
        self._sqs = self._faults.of(SQS_DELAY)
        stale = self._faults.of(STALE_SCAN)
        if stale is not None or "off" in order:
            from simulator.cloud.stale_scans import STALE_SCANS  # noqa: PLC0415  moto, which is loaded by now

            STALE_SCANS.set_faults(stale or ())

    # -- inside ----------------------------------------------------------------------------------------------------

    def _spoil_dynamodb(self, faults: tuple[ActiveFault, ...], operation: str, environ: Environ) -> Reply | None:
        tables = tables_of(_request(environ) or {})
        with self._drawing:
            mishap = dynamodb_mishap(faults, operation, tables)
        if mishap is None:
            return None
        if mishap.delay_s:
            time.sleep(mishap.delay_s)
        return None if mishap.error is None else _error(mishap.error)

    def _delay_messages(self, faults: tuple[ActiveFault, ...], operation: str, environ: Environ) -> None:
        request = _request(environ) if operation.startswith("SendMessage") else None
        if request is None:
            return
        with self._drawing:
            later = delayed_request(faults, operation, request)
        if later is not None:
            body = json.dumps(later).encode()
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))


def _request(environ: Environ) -> dict[str, Any] | None:
    """The request's JSON object, left to be read again; None when it is no such thing."""
    body = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) else None


def _error(failing: Failing) -> Reply:
    body = json.dumps({"__type": failing.error_type, "message": failing.message}).encode()
    return Reply(failing.status, [("Content-Type", _JSON)], body)
