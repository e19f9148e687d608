"""The probe as the tests use it: open sockets, post to them, ask over HTTP, read what the handlers saw."""

import base64
import contextlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from harness.records import Records
from harness.target import Target
from harness.wire import Answer, Wire

_LOOK_AGAIN_S = 0.05
Program = list[dict[str, Any]]
"""What the probe is to do; see `probe/src/probe.py`."""


def new_run() -> str:
    """A name that nobody else uses, under which the probe keeps what it sees."""
    return f"run-{uuid.uuid4().hex}"


class Socket:
    """A stock client on an open WebSocket."""

    def __init__(self, probe: "Probe", client: ClientConnection, run: str | None) -> None:
        self._probe = probe
        self.client = client
        self._run = run
        self._id: str | None = None

    @property
    def id(self) -> str:
        """The connection id, from the CONNECT event that the probe kept."""
        if self._id is None:
            assert self._run is not None, "opened without a run: nobody knows its id"
            self._id = self._probe.records.connect_event(self._run)["requestContext"]["connectionId"]
        return self._id

    def send(self, message: Any) -> None:
        """Send text as it is, anything else as JSON."""
        self.client.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def tell(self, action: str, *do: dict[str, Any], **more: Any) -> None:
        """Send `{"action": …, "do": [step, …]}`."""
        self.send({"action": action, "do": list(do), **more})

    def ask(self, action: str, *do: dict[str, Any], **more: Any) -> str:
        """The same, and the next frame that comes."""
        self.tell(action, *do, **more)
        return self.recv()

    def recv(self) -> str:
        """The next message, which must be text."""
        message = self.client.recv(timeout=self._probe.target.patience_s)
        assert isinstance(message, str), message
        return message

    def recv_json(self) -> Any:
        """The next message, decoded."""
        return json.loads(self.recv())

    def still_works(self) -> None:
        """Fails unless the probe answers on this connection, with nothing else in between."""
        token = uuid.uuid4().hex
        assert self.ask("reply", {"return": {"statusCode": 200, "body": token}}) == token

    def closed_with(self) -> tuple[int, str]:
        """Wait until the server closes: the code and reason of its close frame."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.client.recv(timeout=self._probe.target.patience_s)
        frame = self.client.protocol.close_rcvd
        assert frame is not None, "the connection ended without a close frame"
        return frame.code, frame.reason

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from our end."""
        self.client.close(code, reason)


@dataclass(frozen=True)
class Invoked:
    """What came of one call of Lambda's Invoke."""

    answer: dict[str, Any]
    payload: bytes

    @property
    def value(self) -> Any:
        """The payload, decoded."""
        return json.loads(self.payload)

    @property
    def error(self) -> str | None:
        """The function error."""
        return self.answer.get("FunctionError")

    @property
    def request_id(self) -> str:
        """The id of the call."""
        request_id: str = self.answer["ResponseMetadata"]["RequestId"]
        return request_id

    def error_object(self) -> dict[str, Any]:
        """The payload of a call whose function failed, the request id written as `<id>`."""
        assert (self.answer["StatusCode"], self.error) == (200, "Unhandled"), self.payload
        return {k: v.replace(self.request_id, "<id>") if isinstance(v, str) else v for k, v in self.value.items()}

    def log(self) -> list[str]:
        """The lines of the log, likewise."""
        return base64.b64decode(self.answer["LogResult"]).decode().replace(self.request_id, "<id>").splitlines()


class Probe:
    """One target and everything to observe it with; whatever was opened is closed when the test ends."""

    def __init__(self, target: Target, at_end: contextlib.ExitStack) -> None:
        self.target = target
        self.records = Records(target)
        self._at_end = at_end

    # -- WebSocket -----------------------------------------------------------------------------------------------------

    def url(self, api: str = "Sockets", *, do: Program | None = None, **query: str) -> str:
        """The address of an API with a program and other parameters in its query."""
        if do is not None:
            query["do"] = json.dumps(do)
        return self.target.urls[api] + (f"?{urlencode(query)}" if query else "")

    def open(
        self, api: str = "Sockets", *, do: Program | None = None, query: dict[str, str] | None = None, **options: Any
    ) -> Socket:
        """A WebSocket by a stock client; `options` are those of `websockets.sync.client.connect`."""
        run = (query or {}).get("run") or new_run()
        url = self.url(api, do=do, **{"run": run, **(query or {})})
        return Socket(self, self._connect(url, **options), run)

    def open_url(self, url: str, **options: Any) -> Socket:
        """A WebSocket on exactly this URL."""
        return Socket(self, self._connect(url, **options), None)

    def refused(self, api: str = "Sockets", *, do: Program | None = None, **query: str) -> Any:
        """The HTTP answer of a handshake that must not succeed (a `websockets` Response)."""
        return self.refused_url(self.url(api, do=do, **query))

    def refused_url(self, url: str, **options: Any) -> Any:
        """The same for exactly this URL."""
        try:
            client = self._connect(url, **options)
        except InvalidStatus as error:
            return error.response
        raise AssertionError(f"the handshake was answered with {client.response.status_code}")  # type: ignore[union-attr]

    def wire(self, api: str = "Sockets", *, url: str | None = None, **options: Any) -> Wire:
        """A plain socket to an API's port (or to exactly `url`), closed when the test ends."""
        return self._at_end.enter_context(Wire(url or self.target.urls[api], self.target.patience_s, **options))

    def upgraded(self, api: str = "Sockets", headers: list[tuple[str, str]] | None = None) -> tuple[Wire, str]:
        """A plain socket on which a WebSocket is open, and its connection id."""
        run = new_run()
        wire = self.wire(api)
        wire.upgraded(f"?run={run}", headers)
        return wire, self.records.connect_event(run)["requestContext"]["connectionId"]

    # -- @connections --------------------------------------------------------------------------------------------------

    def management(self, api: str = "Sockets") -> Any:
        """A boto3 client for the connections of an API."""
        return self.target.client("apigatewaymanagementapi", self.target.management_url(api))

    def connections(
        self, method: str, connection: str, body: bytes = b"", *, api: str = "Sockets", signed: bool = True
    ) -> Answer:
        """One raw request on `…/@connections/{connection}`, the last part exactly as given."""
        return self.request(method, f"/@connections/{connection}", body, api=api, signed=signed)

    # -- HTTP ----------------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        api: str = "Http",
        headers: list[tuple[str, str]] | None = None,
        signed: bool = False,
    ) -> Answer:
        """One raw HTTP request below an API's URL, on a connection of its own; `path` goes out exactly as given."""
        base = "http" + self.target.urls[api].removeprefix("ws").removeprefix("http")
        parts = urlsplit(base)
        sent = [("Host", parts.netloc), *(headers or [])]
        if body or method in ("POST", "PUT", "PATCH"):
            sent.append(("Content-Length", str(len(body))))
        if signed:
            request = AWSRequest(method, base + path, data=body)
            SigV4Auth(self.target.credentials(), "execute-api", self.target.region).add_auth(request)
            sent += [(name, value) for name, value in request.headers.items() if name.lower() != "host"]
        with Wire(base, self.target.patience_s) as wire:
            return wire.request(method, parts.path + path, sent, body)

    # -- levers --------------------------------------------------------------------------------------------------------

    def advance_timers(self, seconds: float, api: str = "Sockets") -> int:
        """Move the idle and age timers of an API forward by hand; returns how many connections that closed."""
        address = urlsplit(self.target.urls[api]).netloc
        body = json.dumps({"advance_s": seconds}).encode()
        with Wire(f"http://{address}", self.target.patience_s) as wire:
            headers = [("Host", address), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            answer = wire.request("POST", "/.tracker-sim/clock", headers, body)
        assert answer.status == 200, answer.text
        closed: int = json.loads(answer.body)["closed"]
        return closed

    # -- Lambda --------------------------------------------------------------------------------------------------------

    def invoke(self, function: str = "direct", event: Any = None, **options: Any) -> Invoked:
        """One call of boto3's `invoke`; bytes are the payload as they are, anything else becomes JSON."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        answer = self.target.client("lambda").invoke(
            FunctionName=self.target.function_name(function), Payload=payload, **options
        )
        return Invoked(answer, answer["Payload"].read())

    def do(self, *steps: dict[str, Any], function: str = "direct", **options: Any) -> Any:
        """What a direct invocation of a program returns; fails when it fails."""
        invoked = self.invoke(function, {"do": list(steps)}, **options)
        assert invoked.error is None, invoked.payload
        return invoked.value

    # -- queues --------------------------------------------------------------------------------------------------------

    def enqueue(self, queue: str, body: Any, **options: Any) -> str:
        """Put a message on a queue of the probe; text as it is, anything else as JSON. Returns the message id."""
        text = body if isinstance(body, str) else json.dumps(body)
        sent = self.target.client("sqs").send_message(QueueUrl=self.target.queues[queue], MessageBody=text, **options)
        message_id: str = sent["MessageId"]
        return message_id

    def sqs(self, operation: str, queue: str, **parameters: Any) -> Any:
        """Any call of boto3's SQS client on a queue of the probe."""
        return getattr(self.target.client("sqs"), operation)(QueueUrl=self.target.queues[queue], **parameters)

    def wait_until_empty(self, queue: str) -> None:
        """Until nothing is left on a queue, in flight or not; fails when that takes too long."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline_s = time.monotonic() + self.target.patience_s
        while True:
            left = self.sqs("get_queue_attributes", queue, AttributeNames=names)["Attributes"]
            if not any(int(count) for count in left.values()):
                return
            assert time.monotonic() < deadline_s, (queue, left)
            time.sleep(_LOOK_AGAIN_S)

    def find(self, queue: str, message_id: str) -> dict[str, Any]:
        """Receive from a queue that has no trigger until this message is there, and delete it."""
        return self.find_where(queue, lambda message: message["MessageId"] == message_id)

    def find_where(self, queue: str, where: Callable[[Any], bool]) -> dict[str, Any]:
        """The same for the first message of which `where` holds."""
        deadline_s = time.monotonic() + self.target.patience_s
        while time.monotonic() < deadline_s:
            options = {
                "AttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
                "WaitTimeSeconds": 1,
                "VisibilityTimeout": 1,
            }
            for message in self.sqs("receive_message", queue, MaxNumberOfMessages=10, **options).get("Messages", []):
                if where(message):
                    self.sqs("delete_message", queue, ReceiptHandle=message["ReceiptHandle"])
                    found: dict[str, Any] = message
                    return found
        raise AssertionError(f"what was looked for is not on {queue}")

    def _connect(self, url: str, **options: Any) -> ClientConnection:
        settled = {"proxy": None, "open_timeout": self.target.patience_s, "ping_interval": None, **options}
        return self._at_end.enter_context(connect(url, **settled))
