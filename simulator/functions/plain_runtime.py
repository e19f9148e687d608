"""What the in-process mode needs of AWS's runtime client, where that client cannot be installed (macOS, Windows).

`LambdaContext` and `Marshaller` have the surface and the behaviour of `awslambdaric`'s classes; the tests compare
them. Where `awslambdaric` is installed, its own classes are used instead.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_UNESCAPED_SINCE = (3, 12)
"""Python 3.12 and later runtimes leave non-ASCII text as it is (F14)."""


_W3C_FIELDS = ("traceparent", "tracestate", "baggage")


@dataclass(frozen=True, slots=True)
class RuntimeClasses:
    """What a handler's runtime is made of."""

    context: Callable[..., Any]
    marshaller: Callable[[], Any]
    fault: type[Exception]
    """Raised by the marshaller, with `exception_type`, `msg` and `trace`."""


def best_runtime() -> RuntimeClasses:
    """AWS's own classes where they can be imported, else the ones in this file."""
    try:
        from awslambdaric.lambda_context import LambdaContext as context  # noqa: N813, PLC0415
        from awslambdaric.lambda_runtime_exception import FaultException as fault  # noqa: N813, PLC0415
        from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller as marshaller  # noqa: N813, PLC0415
    except ImportError:
        return PLAIN
    return RuntimeClasses(context, marshaller, fault)


class MarshalError(Exception):
    """A result that is not JSON; `msg` is the sentence for `errorMessage`."""

    def __init__(self, exception_type: str, msg: str) -> None:
        super().__init__(msg)
        self.exception_type = exception_type
        self.msg = msg
        self.trace: list[str] | None = None


class CognitoIdentity:
    """Always there, always empty for synchronous calls (F02)."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


class Client:
    """The mobile application that calls, in its own words."""

    def __init__(self, facts: dict[str, Any]) -> None:
        for name in (
            "installation_id",
            "app_title",
            "app_version_name",
            "app_version_code",
            "app_package_name",
        ):
            setattr(self, name, facts.get(name))


class ClientContext:
    """What the caller says about itself (F02)."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.custom = facts.get("custom")
        self.env = facts.get("env")
        client = facts.get("client")
        self.client = None if client is None else Client(client)


class LambdaContext:
    """The handler's second argument (F01, F02)."""

    def __init__(
        self,
        invoke_id: str,
        client_context: dict[str, Any] | None,
        cognito_identity: None,
        epoch_deadline_time_in_ms: int,
        invoked_function_arn: str | None = None,
        tenant_id: str | None = None,
    ) -> None:
        self.aws_request_id = invoke_id
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = invoked_function_arn
        self.tenant_id = tenant_id
        self._w3c = _pop_w3c(client_context)
        self.client_context = None if client_context is None else ClientContext(client_context)
        self.identity = CognitoIdentity() if cognito_identity is None else cognito_identity
        self._epoch_deadline_time_in_ms = epoch_deadline_time_in_ms

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the timeout, never negative."""
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        """The W3C trace context that came with the client context."""
        return dict(self._w3c)

    def log(self, msg: object) -> None:
        """Write `msg` to the function's log."""
        sys.stdout.write(str(msg))


def _pop_w3c(client_context: dict[str, Any] | None) -> dict[str, str]:
    fields = client_context.pop("w3c", None) if client_context is not None else None
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in _W3C_FIELDS if isinstance(fields.get(name), str)}


class Marshaller:
    """Events from JSON and results to JSON (F14): `Decimal` as a number, `bytes` as they are."""

    def unmarshal_request(self, request: bytes, content_type: str = "application/json") -> Any:
        """The event; `content_type` is JSON for every caller here."""
        del content_type
        return json.loads(request)

    def marshal_response(self, response: Any) -> tuple[bytes | str, str]:
        """The payload and its content type. Raises `MarshalError`."""
        if isinstance(response, bytes):
            return response, "application/unknown"
        try:
            return _encode(response), "application/json"
        except Exception as error:
            raise MarshalError("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def _encode(value: Any) -> str:
    # json writes a Decimal only as a float, which loses digits: encode it as a marked string, then unquote it.
    mark = secrets.token_hex(8)

    def decimal(number: Any) -> Any:
        if not isinstance(number, Decimal):
            raise TypeError(f"Object of type {type(number).__name__} is not JSON serializable")
        return float("nan") if number.is_nan() else f"{mark}{number}"

    text = json.dumps(value, default=decimal, ensure_ascii=not _leaves_text_unescaped())
    return re.sub(f'"{mark}([^"]*)"', r"\1", text)


def _leaves_text_unescaped() -> bool:
    version = re.fullmatch(r"AWS_Lambda_python(\d+)\.(\d+)", os.environ.get("AWS_EXECUTION_ENV", ""))
    return version is not None and (int(version[1]), int(version[2])) >= _UNESCAPED_SINCE


PLAIN = RuntimeClasses(LambdaContext, Marshaller, MarshalError)
