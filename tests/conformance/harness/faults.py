"""Making the stack under test fail on order; for `local_lever` tests."""

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from harness.target import Target

_LASTS_S = 120.0
"""Longer than a test may take; it ends with the block."""


@contextlib.contextmanager
def fault(of: Target, kind: str, **more: Any) -> Iterator[None]:
    """While the block runs, what docs/faults.md says of `kind` happens to the target `of`."""
    answer = _ask(of, "POST", "", {"kind": kind, "duration_s": _LASTS_S, **more})
    try:
        yield
    finally:
        _ask(of, "DELETE", f"/{answer['id']}")


def _ask(target: Target, method: str, path: str, document: Any = None) -> dict[str, Any]:
    connection = http.client.HTTPConnection(urlsplit(target.urls["Sockets"]).netloc, timeout=target.patience_s)
    with contextlib.closing(connection):
        body = None if document is None else json.dumps(document)
        headers = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, f"/.tracker-sim/faults{path}", body, headers)
        answer = connection.getresponse()
        said: dict[str, Any] = json.loads(answer.read())
    assert answer.status == http.client.OK, said
    return said
