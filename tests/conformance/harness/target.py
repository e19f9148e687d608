"""Where the probe runs: one document of addresses, whether a simulator started it or AWS."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from simulator.functions.environment_variables import DUMMY_CREDENTIALS
from simulator.stack_outputs import read_outputs, region_of

LOCAL_PATIENCE_S = 20.0
REMOTE_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Target:
    """The addresses of one running probe."""

    urls: Mapping[str, str]
    """Logical id of an API in the probe's template to its URL: `wss://host/stage`, `https://host/stage`."""
    queues: Mapping[str, str]
    """Logical id of a queue to its URL."""
    records_table: str
    rows_table: str
    """A table that is there to be tested."""
    region: str
    aws_endpoint_url: str | None
    """None in AWS."""
    lambda_url: str | None = None
    """None in AWS."""
    in_process: bool = False
    _clients: dict[tuple[str, str | None], Any] = field(default_factory=dict, repr=False)

    @property
    def local(self) -> bool:
        """Whether this suite started it, and may pull its levers."""
        return self.aws_endpoint_url is not None

    @property
    def patience_s(self) -> float:
        """How long anything that must happen may take; nothing waits for this to pass."""
        return LOCAL_PATIENCE_S if self.local else REMOTE_PATIENCE_S

    def management_url(self, api: str = "Sockets") -> str:
        """boto3's `endpoint_url` for the connections of an API."""
        return "http" + self.urls[api].removeprefix("ws")

    def function_name(self, name: str) -> str:
        """The name that the template gives to a function: `direct-brief` to `probe-direct-brief`."""
        return self.records_table.removesuffix("records") + name

    def client(self, service: str, endpoint_url: str | None = None) -> Any:
        """A boto3 client without retries, so that a test sees every answer; the same one to whoever asks again."""
        key = (service, endpoint_url or (self.lambda_url if service == "lambda" else self.aws_endpoint_url))
        if key not in self._clients:
            config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
            self._clients[key] = self.session().client(service, endpoint_url=key[1], config=config)
        return self._clients[key]

    def close(self) -> None:
        """Close the clients."""
        while self._clients:
            self._clients.popitem()[1].close()

    def credentials(self) -> Any:
        """botocore's, to sign a request by hand."""
        return self.session().get_credentials().get_frozen_credentials()

    def session(self) -> boto3.Session:
        """boto3's, with credentials that the target takes."""
        if not self.local:
            return boto3.Session(region_name=self.region)
        # What the functions of a local stack have: with `gateway.verify_signatures` nobody else may post.
        return boto3.Session(
            DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=self.region,
        )


def from_endpoints(endpoints: Mapping[str, Any], *, in_process: bool) -> Target:
    """From what `tracker-sim up --json` prints."""
    prefix = "probe-"
    return Target(
        urls=endpoints["apis"],
        queues={_logical_id(name.removeprefix(prefix)): url for name, url in endpoints["queue_urls"].items()},
        records_table=f"{prefix}records",
        rows_table=f"{prefix}rows",
        region=endpoints["region"],
        aws_endpoint_url=endpoints["aws_endpoint_url"],
        lambda_url=endpoints["lambda_url"],
        in_process=in_process,
    )


def from_file(file: Path) -> Target:
    """From the outputs of the deployed template, as `aws cloudformation describe-stacks` prints them."""
    outputs = read_outputs(json.loads(file.read_text(encoding="utf-8")))
    urls = {key.removesuffix("Url"): value for key, value in outputs.items() if key.endswith("Url")}
    return Target(
        urls={key: url for key, url in urls.items() if not key.endswith("Queue")},
        queues={key: url for key, url in urls.items() if key.endswith("Queue")},
        records_table=outputs["RecordsTable"],
        rows_table=outputs["RowsTable"],
        region=region_of(outputs) or boto3.Session().region_name or "us-east-1",
        aws_endpoint_url=None,
    )


def _logical_id(queue: str) -> str:
    return "".join(part.capitalize() for part in queue.removesuffix(".fifo").split("-")) + "Queue"
