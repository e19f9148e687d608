"""The environment variables of the functions, read when a handler needs them, never at import.

On a developer's machine a `.env` file in the working directory fills in what the environment does not set. Inside
Lambda (`AWS_LAMBDA_FUNCTION_NAME` is always set there, F04) the file is not even looked for.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from tracker.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_CONNECTIONS_TABLE = "websocket-connections"
DEFAULT_VENDORS_TABLE = "vendors"
DEFAULT_FANOUT_CONNECTIONS = 64
MAX_FANOUT_CONNECTIONS = 900
"""Lambda gives a function 1,024 file descriptors. The rest is for the AWS clients, name look-ups and the runtime: kept
connections that held them all would leave none to read the table with, in this invocation and every later one."""

DEFAULT_SLOW_SHARE = 0.01
DEFAULT_FANOUT_THRESHOLD = 10_000
MAX_FANOUT_THRESHOLD = 1_000_000
DEFAULT_FANOUT_SEGMENTS = 8
MAX_FANOUT_SEGMENTS = 1_000

_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
_SHARE = re.compile(r"0(\.[0-9]{1,9})?|1(\.0+)?")
_YES = {"1", "true", "yes", "on"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; the optional parts raise only when a handler asks for them."""

    region: str
    """`AWS_REGION`."""
    connections_table: str
    """`AWS_TABLE_NAME`."""
    vendors_table: str
    """`AWS_VENDOR_TABLE_NAME`."""
    sqs_url: str | None
    """`AWS_SQS_URL`: the vendor queue; for those who send to it."""
    websocket_url: str | None
    """`AWS_WEBSOCKET_URL`: `wss://host/stage`."""
    fanout_connections: int = DEFAULT_FANOUT_CONNECTIONS
    """`FANOUT_CONNECTIONS`: how many posts one broadcast may have under way, each on a connection of its own."""
    fanout_slow_share: float = DEFAULT_SLOW_SHARE
    """`FANOUT_SLOW_SHARE`: share of viewers who may not read and hold up nothing; they are disconnected."""
    fanout_batch_frames: bool = False
    """`FANOUT_BATCH_FRAMES`: a viewer gets a batch's updates as JSON arrays, not one frame each."""
    fanout_queue_url: str | None = None
    """`FANOUT_QUEUE_URL`: where segments of a large broadcast are handed to further invocations; None: never."""
    fanout_threshold: int = DEFAULT_FANOUT_THRESHOLD
    """`FANOUT_THRESHOLD`: connections above which they are."""
    fanout_segments: int = DEFAULT_FANOUT_SEGMENTS
    """`FANOUT_SEGMENTS`: into how many."""
    token_secrets: str | None = field(default=None, repr=False)
    """`VENDOR_TOKEN_SECRETS`: what vendor tokens are signed with; see `tracker.token_secrets`."""
    token_secrets_parameter: str | None = None
    """`VENDOR_TOKEN_SECRETS_PARAMETER`: the SecureString that holds them instead."""

    def require_sqs_url(self) -> str:
        """Return the queue's URL; raises `ConfigurationError` when it is not set."""
        return _require("AWS_SQS_URL", self.sqs_url)

    def require_websocket_url(self) -> str:
        """Return the WebSocket URL as written; raises `ConfigurationError` when it is not set."""
        return _require("AWS_WEBSOCKET_URL", self.websocket_url)

    def require_token_secrets_parameter(self) -> str:
        """Return the name of the SecureString; raises `ConfigurationError` when it is not set."""
        return _require("VENDOR_TOKEN_SECRETS_PARAMETER", self.token_secrets_parameter)


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read `environ`, by default the process's own (with `.env` filled in on a developer's machine).

    Raises `ConfigurationError` naming the variable that is missing or malformed.
    """
    if environ is None:
        if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
            _load_dotenv_once()
        environ = os.environ
    return Settings(
        region=_require("AWS_REGION", environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")),
        connections_table=environ.get("AWS_TABLE_NAME") or DEFAULT_CONNECTIONS_TABLE,
        vendors_table=environ.get("AWS_VENDOR_TABLE_NAME") or DEFAULT_VENDORS_TABLE,
        sqs_url=environ.get("AWS_SQS_URL") or None,
        websocket_url=environ.get("AWS_WEBSOCKET_URL") or None,
        fanout_connections=_whole(environ, "FANOUT_CONNECTIONS", DEFAULT_FANOUT_CONNECTIONS, MAX_FANOUT_CONNECTIONS),
        fanout_slow_share=_share(environ, "FANOUT_SLOW_SHARE", DEFAULT_SLOW_SHARE),
        fanout_batch_frames=environ.get("FANOUT_BATCH_FRAMES", "").lower() in _YES,
        fanout_queue_url=environ.get("FANOUT_QUEUE_URL") or None,
        fanout_threshold=_whole(environ, "FANOUT_THRESHOLD", DEFAULT_FANOUT_THRESHOLD, MAX_FANOUT_THRESHOLD),
        fanout_segments=_whole(environ, "FANOUT_SEGMENTS", DEFAULT_FANOUT_SEGMENTS, MAX_FANOUT_SEGMENTS),
        token_secrets=environ.get("VENDOR_TOKEN_SECRETS") or None,
        token_secrets_parameter=environ.get("VENDOR_TOKEN_SECRETS_PARAMETER") or None,
    )


def _require(name: str, value: str | None) -> str:
    if not value:
        raise ConfigurationError(f"the environment variable {name} is not set")
    return value


def _whole(environ: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not (_WHOLE_NUMBER.fullmatch(text) and 1 <= int(text) <= highest):
        raise ConfigurationError(f"{name} must be a whole number from 1 to {highest}, not {text[:40]!r}")
    return int(text)


def _share(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    if not _SHARE.fullmatch(text):
        raise ConfigurationError(f"{name} must be a share from 0 to 1, such as 0.01, not {text[:40]!r}")
    return float(text)


@cache
def _load_dotenv_once() -> None:
    if os.path.isfile(".env"):  # noqa: PTH113  one stat, no pathlib import on the cold path
        from dotenv import load_dotenv  # noqa: PLC0415  only a developer's machine needs it

        load_dotenv(".env")
