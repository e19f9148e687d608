"""The running stack seen from outside: its queue, its dead-letter queue, its vendors table and its own counts.

Everything here blocks: call it in a thread. The load knows a stack only by its addresses, so that the same scenario can
drive one that runs somewhere else.
"""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from simulator.errors import EnvironmentFailure, InputError
from simulator.load.aws_environment import LOCAL_CREDENTIALS, is_local
from simulator.load.verdict import Invocations

STATS_PATH = "/.tracker-sim/stats"
POSTS_PATH = "/.tracker-sim/posts"
_TIMEOUT_S = 10.0
_ANSWER_LIMIT_BYTES = 32 * 1024 * 1024
_VENDORS_KEY = "twitterId"
_CONNECTIONS_KEY = "connectionId"


class Target(Protocol):
    """What has to be known of a running stack; `simulator.endpoints.Endpoints` has all of it."""

    @property
    def websocket_url(self) -> str | None:
        """Where subscribers connect."""

    @property
    def http_url(self) -> str | None:
        """Where `GET /vendors` is answered."""

    @property
    def management_url(self) -> str | None:
        """On the port that also tells the stats."""

    @property
    def aws_endpoint_url(self) -> str | None:
        """DynamoDB and SQS; None is wherever the user's AWS settings point."""

    @property
    def ca_bundle(self) -> str | None:
        """Certificates to trust for addresses with TLS in place of this machine's."""

    @property
    def region(self) -> str:
        """AWS region."""

    @property
    def queue_urls(self) -> Mapping[str, str]:
        """Queue name to URL."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Table names."""


class StackUnreachable(EnvironmentFailure):
    """The stack, or one of its parts, does not answer."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The queue that feeds the broadcast."""

    name: str
    url: str
    visibility_timeout_s: float
    max_receive_count: int | None
    dead_letter_queue: str | None
    dead_letter_url: str | None


@dataclass(frozen=True, slots=True)
class Stats:
    """The stack's own counts since it started."""

    functions: Mapping[str, Invocations] = field(default_factory=dict)
    at_the_function: int = 0
    environments: int = 0
    """Execution environments alive."""


class StackView:
    """One running stack. Every method but the constructor may raise StackUnreachable."""

    def __init__(self, target: Target) -> None:
        self._target = target
        settings: dict[str, Any] = {
            "endpoint_url": target.aws_endpoint_url,
            "region_name": target.region,
            "config": Config(
                connect_timeout=_TIMEOUT_S,
                read_timeout=_TIMEOUT_S,
                retries={"total_max_attempts": 3, "mode": "standard"},
            ),
        }
        if is_local(target.aws_endpoint_url):
            settings |= LOCAL_CREDENTIALS
        session = boto3.session.Session()
        self.sqs = session.client("sqs", **settings)
        self.dynamodb = session.client("dynamodb", **settings)

    @property
    def is_local(self) -> bool:
        """False for a stack in AWS."""
        return is_local(self._target.aws_endpoint_url)

    @property
    def pid(self) -> int | None:
        """The process of a stack that runs here; None when it does not say."""
        pid = getattr(self._target, "pid", None)
        return pid if self.is_local and isinstance(pid, int) else None

    def vendor_queue(self) -> QueueSettings:
        """The one queue of the stack that is not the dead-letter queue of another.

        Raises InputError when there is none or more than one: the load would not know where to publish.
        """
        found = {name: self._attributes(url) for name, url in self._target.queue_urls.items()}
        redrives = {name: json.loads(attributes.get("RedrivePolicy", "{}")) for name, attributes in found.items()}
        dead_letters = {str(each.get("deadLetterTargetArn", "")).rpartition(":")[2] for each in redrives.values()}
        names = [name for name in found if name not in dead_letters]
        if len(names) != 1:
            raise InputError(
                f"Updates go to the stack's one queue, and this stack has {len(names)} "
                f"({', '.join(names) or 'none'}); use a template with one queue and its dead-letter queue, "
                f"or `tracker-sim send --queue NAME`."
            )
        name = names[0]
        dead_letter = str(redrives[name].get("deadLetterTargetArn", "")).rpartition(":")[2] or None
        max_receive_count = redrives[name].get("maxReceiveCount")
        return QueueSettings(
            name=name,
            url=self._target.queue_urls[name],
            visibility_timeout_s=float(found[name].get("VisibilityTimeout", 30)),
            max_receive_count=None if max_receive_count is None else int(max_receive_count),
            dead_letter_queue=dead_letter,
            dead_letter_url=None if dead_letter is None else self._queue_url(dead_letter),
        )

    def vendors_table(self) -> str:
        """The table whose key is `twitterId`. Raises InputError when the stack has none."""
        return self._table_with(_VENDORS_KEY, "the vendors")

    def vendor_queue_url(self) -> str:
        """Where updates go; see `vendor_queue`."""
        return self.vendor_queue().url

    def connections_table(self) -> str:
        """The table whose key is `connectionId`. Raises InputError when the stack has none."""
        return self._table_with(_CONNECTIONS_KEY, "the connections")

    def connection_rows(self) -> int:
        """How many rows the connections table has. Raises InputError when the stack has none."""
        try:
            pages = self.dynamodb.get_paginator("scan").paginate(
                TableName=self.connections_table(), Select="COUNT", ConsistentRead=True
            )
            return sum(int(page["Count"]) for page in pages)
        except (BotoCoreError, ClientError) as error:
            raise StackUnreachable(f"The connections table does not answer ({error}).") from error

    def messages(self, url: str) -> tuple[int, int]:
        """How many messages a queue holds: to be received now or after a delay, and in flight."""
        found = self._attributes(url)
        waiting = int(found["ApproximateNumberOfMessages"]) + int(found.get("ApproximateNumberOfMessagesDelayed", 0))
        return waiting, int(found["ApproximateNumberOfMessagesNotVisible"])

    def peek(self, url: str, at_most: int = 200) -> list[str]:
        """Bodies of messages in a queue, some of them, which stay where they are."""
        bodies: list[str] = []
        try:
            while len(bodies) < at_most:
                # They are out of sight only while we look on: the rest of the queue must come to the front.
                answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=5)
                messages = answer.get("Messages", [])
                if not messages:
                    break
                bodies += [str(each.get("Body", "")) for each in messages]
        except (BotoCoreError, ClientError) as error:
            raise StackUnreachable(f"The queue {url} does not answer ({error}).") from error
        return bodies

    def stats(self) -> Stats | None:
        """The stack's own counts; None from a stack that has none to tell: one in AWS, which is not even asked."""
        if not self.is_local:
            return None
        document = self._ask(STATS_PATH)
        if document is None:
            return None
        try:
            return Stats(
                functions={
                    str(name): Invocations(int(counts["invocations"]), int(counts["errors"]))
                    for name, counts in document["functions"].items()
                },
                at_the_function=sum(int(trigger.get("in_flight", 0)) for trigger in document.get("triggers", [])),
                environments=sum(int(counts.get("environments", 0)) for counts in document["functions"].values()),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StackUnreachable(f"The stack's counts at {STATS_PATH} cannot be read ({error!r}).") from error

    def posts(self) -> dict[str, Any]:
        """What a local stack tells of its posts, see `simulator.load.post_stories`; nothing from any other."""
        return (self._ask(POSTS_PATH) if self.is_local else None) or {}

    def _ask(self, path: str) -> dict[str, Any] | None:
        address = urlsplit(self._target.management_url or self._target.websocket_url or "")
        if not address.hostname:
            return None
        # Plain, be the addresses `https://`: the port takes both, and this is a stack of our own.
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read(_ANSWER_LIMIT_BYTES)
            if answer.status != http.client.OK:
                return None
            document = json.loads(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise StackUnreachable(
                f"The stack at {address.hostname}:{address.port} no longer answers ({error or type(error).__name__})."
            ) from error
        finally:
            connection.close()
        return document if isinstance(document, dict) else None

    def _queue_url(self, name: str) -> str | None:
        """Of a queue that the stack's addresses may leave out; None when we may not know it."""
        if (known := self._target.queue_urls.get(name)) is not None:
            return known
        with contextlib.suppress(BotoCoreError, ClientError):
            return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])
        return None

    def _attributes(self, url: str) -> dict[str, str]:
        try:
            answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except (BotoCoreError, ClientError) as error:
            raise StackUnreachable(f"The queue {url} does not answer ({error}).") from error
        return dict(answer["Attributes"])

    def _table_with(self, hash_key: str, what_for: str) -> str:
        for table in self._target.tables:
            keys = self._describe(table)["KeySchema"]
            if any(key["AttributeName"] == hash_key and key["KeyType"] == "HASH" for key in keys):
                return table
        raise InputError(
            f"The stack has no table with the hash key {hash_key} for {what_for} "
            f"(tables: {', '.join(self._target.tables) or 'none'}); give a template that has one."
        )

    def _describe(self, table: str) -> dict[str, Any]:
        try:
            return dict(self.dynamodb.describe_table(TableName=table)["Table"])
        except (BotoCoreError, ClientError) as error:
            raise StackUnreachable(f"The table {table} does not answer ({error}).") from error
