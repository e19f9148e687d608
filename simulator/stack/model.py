"""The stack as the simulator sees it: what a template describes, resolved and frozen.

Strings that name a place (a queue URL, `wss://{api}.execute-api.…`) stand here as AWS would write them; only
`simulator.stack.localise` turns them into addresses on this machine, once those are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Table:
    """A DynamoDB table."""

    logical_id: str
    name: str
    create_request: Mapping[str, Any]
    """Keyword arguments of boto3's `create_table`, `TableName` included."""
    ttl_attribute: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """An SQS queue."""

    logical_id: str
    name: str
    url: str
    """As AWS would write it: `https://sqs.{region}.amazonaws.com/{account}/{name}`."""
    arn: str
    attributes: Mapping[str, str]
    """Attributes of boto3's `create_queue` (all strings), without RedrivePolicy."""
    dead_letter_queue: str | None = None
    """Name of the dead-letter queue, if any."""
    max_receive_count: int | None = None
    fifo: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the outcome of an asynchronous invocation goes."""

    kind: Literal["queue", "function"]
    name: str


@dataclass(frozen=True, slots=True)
class Asynchronous:
    """What becomes of a function's asynchronous events (F17)."""

    dead_letter_queue: str | None = None
    """Name of the queue that gets events which failed."""
    max_retries: int = 2
    max_age_s: int = 21_600
    on_success: Destination | None = None
    on_failure: Destination | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function (Python runtimes only)."""

    logical_id: str
    name: str
    arn: str
    handler: str
    """`module.path.function`, relative to `code_dir`."""
    runtime: str
    code_dir: Path
    timeout_s: int = 3
    memory_mb: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    """The template's variables, addresses still in AWS spelling."""
    reserved_concurrency: int | None = None
    asynchronous: Asynchronous = field(default_factory=Asynchronous)


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket that a stage or one of its routes lays down; None where only the account's limit holds (L10)."""

    rate_per_s: float | None = None
    burst: int | None = None


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """Where an authorizer finds who is asking; a request without it is refused unseen (A02)."""

    kind: Literal["header", "querystring", "context", "stageVariables"]
    name: str


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A Lambda REQUEST authorizer."""

    name: str
    function: str
    """Name of the function behind it."""
    identity_sources: tuple[IdentitySource, ...] = ()
    timeout_ms: int = 29_000
    payload_format: Literal["1.0", "2.0"] = "1.0"
    """Of the event; WebSocket APIs know 1.0 only."""
    simple_responses: bool = False
    """`{"isAuthorized": …}` instead of a policy; HTTP APIs with format 2.0 only."""
    result_ttl_s: int = 0
    """How long a result is kept for the same identity; HTTP APIs only."""


@dataclass(frozen=True, slots=True)
class WebSocketRoute:
    """One route of a WebSocket API."""

    key: str
    """`$connect`, `$disconnect`, `$default` or a custom key."""
    function: str
    """Name of the function behind it."""
    timeout_ms: int = 29_000
    route_response: bool = False
    """True when the route sends the handler's `body` back (M12)."""
    authorizer: Authorizer | None = None
    """On `$connect` only (A01)."""
    throttle: Throttle | None = None
    """Of this route alone; its unset values are the stage's."""
    model_selection_expression: str | None = None
    """`$request.body.kind`: which of `request_models` a message must fit; None takes `$default`."""
    request_models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Selected key to JSON schema (M09)."""


@dataclass(frozen=True, slots=True)
class WebSocketApi:
    """A WebSocket API with its one stage."""

    logical_id: str
    api_id: str
    """Ten lower-case letters and digits."""
    name: str
    stage: str
    route_selection_expression: str
    routes: Mapping[str, WebSocketRoute]
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    throttle: Throttle | None = None
    """The stage's default route settings."""


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One route of an HTTP API."""

    method: str
    """Upper case, or `ANY`."""
    path: str
    """`/vendors`, `/vendors/{id}`, `/{proxy+}`; `$default` (with method `ANY`) for the catch-all route."""
    function: str
    payload_format: Literal["1.0", "2.0"] = "2.0"
    timeout_ms: int = 30_000
    authorizer: Authorizer | None = None
    throttle: Throttle | None = None
    """Of this route alone; its unset values are the stage's."""

    @property
    def key(self) -> str:
        """`GET /vendors`, or `$default`: what the template, the events and the route settings call it."""
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Cors:
    """CORS configuration of an HTTP API; empty tuples and None mean not configured."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None
    allow_credentials: bool = False


@dataclass(frozen=True, slots=True)
class HttpApi:
    """An HTTP API with its one stage."""

    logical_id: str
    api_id: str
    name: str
    stage: str
    """`$default`, or a name that becomes the first path segment."""
    routes: tuple[HttpRoute, ...]
    cors: Cors | None = None
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    throttle: Throttle | None = None
    """The stage's default route settings."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """An SQS event source mapping."""

    logical_id: str
    queue: str
    """Queue name."""
    function: str
    """Function name."""
    batch_size: int = 10
    batching_window_s: int = 0
    report_batch_item_failures: bool = False
    maximum_concurrency: int | None = None
    enabled: bool = True
    filters: tuple[Mapping[str, Any], ...] = ()
    """Patterns of FilterCriteria; a message that fits none is deleted unseen (Q23). Empty: no filter."""
    provisioned_pollers: tuple[int, int] | None = None
    """Least and most pollers in provisioned mode (Q16)."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything one template describes that the simulator can run. Names are unique within their kind."""

    template: Path
    region: str
    account_id: str
    tables: tuple[Table, ...]
    queues: tuple[Queue, ...]
    functions: tuple[Function, ...]
    websocket_apis: tuple[WebSocketApi, ...]
    http_apis: tuple[HttpApi, ...]
    triggers: tuple[Trigger, ...]
    outputs: Mapping[str, str]
    """Output name to value, addresses still in AWS spelling."""
    warnings: tuple[str, ...] = ()
    """One sentence for each resource or property that is accepted but has no effect here."""
