"""Switches faults of a running local stack, through its control endpoint (`simulator.gateway.control`). Blocks."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from simulator.errors import EnvironmentFailure, InputError

FAULTS_PATH = "/.tracker-sim/faults"
_TIMEOUT_S = 10.0
_ANSWER_LIMIT_BYTES = 1024 * 1024


class FaultClient:
    """`url` is any address on the stack's main port.

    Every method raises EnvironmentFailure when the stack does not answer or something in it fails.
    """

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)

    def begin(self, wish: Mapping[str, Any]) -> str:
        """Switch a fault on, see `FaultBoard.begin`; its id. Raises InputError when the stack says no to it."""
        status, answer = self._ask("POST", "", wish)
        if status == http.client.BAD_REQUEST:
            raise InputError(str(answer.get("message")))
        self._expect(status, answer)
        return str(answer.get("id"))

    def prolong(self, fault_id: str, duration_s: float) -> None:
        """Let it last so many seconds from now; nothing happens when it is over."""
        self._ask("POST", f"/{quote(fault_id, safe='')}", {"duration_s": duration_s})

    def end(self, fault_id: str) -> bool:
        """Switch it off; False when it was over."""
        status, answer = self._ask("DELETE", f"/{quote(fault_id, safe='')}")
        if status == http.client.NOT_FOUND:
            return False
        self._expect(status, answer)
        return True

    def on(self) -> list[dict[str, Any]]:
        """What is on, oldest first, see `FaultBoard.listing`."""
        status, answer = self._ask("GET", "")
        self._expect(status, answer)
        found = answer.get("faults")
        return found if isinstance(found, list) else []

    def _expect(self, status: int, answer: Mapping[str, Any]) -> None:
        if status != http.client.OK:
            raise EnvironmentFailure(str(answer.get("message") or f"the stack answered {status}."))

    def _ask(self, method: str, path: str, document: Any = None) -> tuple[int, dict[str, Any]]:
        headers = {"Connection": "close"}
        if document is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=_TIMEOUT_S)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, f"{FAULTS_PATH}{path}", body, headers)
            answer = connection.getresponse()
            said = json.loads(answer.read(_ANSWER_LIMIT_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EnvironmentFailure(
                f"the stack at {self._address.netloc} does not answer ({error or type(error).__name__})."
            ) from error
        finally:
            connection.close()
        return answer.status, said if isinstance(said, dict) else {}
