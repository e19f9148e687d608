"""`@connections`: POST, GET and DELETE on a connection, as AWS answers them (section 4 of the contract, C rows).

Pure: takes a request and the API's core, gives the answer and what to do to the socket.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from simulator.gateway.actions import Action
from simulator.gateway.core import NORMAL_CLOSE, WebSocketCore
from simulator.gateway.ids import IdFactory, is_connection_id
from simulator.gateway.life import State
from simulator.gateway.moment import Moment
from simulator.gateway.websocket_events import ConnectionFacts
from simulator.http11 import Header, encode_response

MAX_PAYLOAD_BYTES = 131_072
"""128 KB (C13)."""

_SEGMENT = "@connections"
_ENCODED_END = "%3D"
"""How the last character of a connection id looks on the wire."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer and the actions that go with it."""

    status: int
    headers: tuple[Header, ...]
    body: bytes = b""
    actions: tuple[Action, ...] = ()


def connection_in_path(path: str, stage: str) -> str | None:
    """The connection id of a raw path `/{stage}/@connections/{id}`, or None when the path is another.

    `@` may come as `%40` and every character of the id percent-encoded or not (C02). An id with a raw slash is no id.
    """
    pieces = path.split("/")
    if len(pieces) != 4 or pieces[0] or not _says(pieces[1], stage) or not _says(pieces[2], _SEGMENT):  # noqa: PLR2004
        return None
    connection_id = pieces[3]
    if connection_id.endswith(_ENCODED_END) and connection_id.count("%") == 1:
        # Every SDK writes it so, and this is the hottest path there is.
        return connection_id[: -len(_ENCODED_END)] + "="
    return unquote(connection_id) or None


def _says(piece: str, text: str) -> bool:
    return piece == text or ("%" in piece and unquote(piece) == text)


def is_management_path(path: str) -> bool:
    """Whether a raw path is meant for `@connections`, rightly or wrongly formed: one segment says so."""
    return "/@connections/" in path or any(_says(piece, _SEGMENT) for piece in path.split("/"))


def answer(
    core: WebSocketCore,
    ids: IdFactory,
    method: str,
    connection_id: str,
    body: bytes,
    *,
    now: Moment,
    backlogged: bool = False,
) -> Answer:
    """Answer one call.

    `backlogged` says that the client has not read what was sent to it before: the call is refused with 429 (C14).
    """
    base = _headers(ids, now.wall_ms)
    if method not in {"POST", "GET", "DELETE"}:
        return forbidden(ids, now.wall_ms)
    if not is_connection_id(connection_id):
        return _refusal(base, 400, "BadRequestException", f"Invalid connectionId: {connection_id}")
    if method == "POST" and len(body) > MAX_PAYLOAD_BYTES:
        return _refusal(base, 413, "PayloadTooLargeException", None)
    connection = core.find(connection_id)
    if connection is None or connection.state is not State.OPEN:
        return _refusal(base, 410, "GoneException", None)
    if method == "GET":
        return Answer(200, (*base, _JSON), _describe(connection.facts, connection.last_active_ms))
    if method == "DELETE":
        return Answer(204, base, actions=tuple(core.close(connection_id, *NORMAL_CLOSE)))
    empty_status = core.settings.empty_callback_status
    if not body and empty_status >= 400:  # noqa: PLR2004  an error status
        # AWS's model requires Data and its SDKs refuse None; what raw HTTP gets is unknown (C19).
        return _refusal(base, empty_status, "BadRequestException", "Data is required")
    if backlogged:
        return _refusal(base, 429, "LimitExceededException", None)
    return Answer(200 if body else empty_status, (*base, _JSON), actions=tuple(core.callback(connection, body, now)))


def delivered(ids: IdFactory, now_ms: int) -> bytes:
    """The whole answer to a post that was delivered, as it goes on the wire: what `answer` says, already encoded."""
    return (_DELIVERED % (ids.uuid(), ids.request_id(), ids.trace_id(now_ms))).encode("ascii")


def forbidden(ids: IdFactory, now_ms: int) -> Answer:
    """The answer for a wrong stage or host, or a method that does not exist (C11)."""
    return _refusal(_headers(ids, now_ms), 403, "ForbiddenException", "Forbidden")


def throttled(ids: IdFactory, now_ms: int) -> Answer:
    """The answer when the account makes too many requests (L10, L11)."""
    return _refusal(_headers(ids, now_ms), 429, "LimitExceededException", "Too Many Requests")


def gone(ids: IdFactory, now_ms: int) -> Answer:
    """The answer for a connection that is no more (C08)."""
    return _refusal(_headers(ids, now_ms), 410, "GoneException", None)


def failed(ids: IdFactory, now_ms: int, status: int) -> Answer:
    """The answer when it is AWS that fails."""
    return _refusal(_headers(ids, now_ms), status, "InternalServerException", "Internal server error")


def badly_signed(ids: IdFactory, now_ms: int, error_type: str, message: str) -> Answer:
    """The answer to a signature that is missing or wrong (C03, C11)."""
    return _refusal(_headers(ids, now_ms), 403, error_type, message)


def no_such_route(ids: IdFactory, now_ms: int, method: str, path: str) -> Answer:
    """The answer for a path with a segment too many or too few (C12)."""
    message = f"No method found matching route {path.lstrip('/')} for http method {method}"
    return _refusal(_headers(ids, now_ms), 403, "ForbiddenException", message)


_JSON: Header = ("content-type", "application/json")


def _headers(ids: IdFactory, now_ms: int) -> tuple[Header, ...]:
    return _headers_of(ids.uuid(), ids.request_id(), ids.trace_id(now_ms))


def _headers_of(request_id: str, extended_id: str, trace_id: str) -> tuple[Header, ...]:
    return (("x-amzn-requestid", request_id), ("x-amz-apigw-id", extended_id), ("x-amzn-trace-id", trace_id))


_DELIVERED = encode_response(200, (*_headers_of("%s", "%s", "%s"), _JSON)).decode("ascii")


def _refusal(base: tuple[Header, ...], status: int, error_type: str, message: str | None) -> Answer:
    """An error; boto3 tells its modelled exceptions by the header alone, whatever the body (C08, C09)."""
    body = b"" if message is None else json.dumps({"message": message}, separators=(",", ":")).encode()
    return Answer(status, (*base, _JSON, ("x-amzn-errortype", error_type)), body)


def _describe(facts: ConnectionFacts, last_active_ms: int) -> bytes:
    """What GET says; `userAgent` is null when the client sent none (C06)."""
    document = {
        "connectedAt": _iso(facts.connected_at_ms),
        "identity": {"sourceIp": facts.source_ip, "userAgent": facts.user_agent},
        "lastActiveAt": _iso(last_active_ms),
    }
    return json.dumps(document, indent=2).encode()


def _iso(epoch_ms: int) -> str:
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
