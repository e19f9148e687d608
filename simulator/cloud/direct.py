"""DynamoDB and SQS in their JSON protocol, straight to moto's handlers.

That is all that the tracker and its producers speak. Importing Flask would add a fifth to the start-up, and calling
it a tenth to each call.
"""

from __future__ import annotations

import json
import logging

from botocore.exceptions import ClientError
from moto.core.request import Request
from moto.dynamodb.responses import DynamoHandler
from moto.sqs.responses import SQSResponse
from werkzeug.exceptions import HTTPException

from simulator.cloud.http_server import Environ, Reply

_log = logging.getLogger(__name__)

_JSON = "application/x-amz-json-1.0"

_HANDLERS: dict[str, type[DynamoHandler | SQSResponse]] = {
    "DynamoDB_20120810": DynamoHandler,
    "AmazonSQS": SQSResponse,
}
"""By the service part of `X-Amz-Target`."""


class _ServerRequest(Request):
    """A request that came over a socket, so that moto leaves the Date header to the server."""

    from_wsgi_server = True


def direct(environ: Environ) -> Reply | None:
    """The answer of moto's DynamoDB or SQS handler; None when the request is for neither."""
    handler = _HANDLERS.get(environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[0])
    if handler is None or environ["REQUEST_METHOD"] != "POST":
        return None
    request = _ServerRequest(environ)
    try:
        status, headers, body = handler.dispatch(request, request.raw_url, dict(request.headers))
    except HTTPException as error:
        status, headers, body = error.code or 500, dict(error.get_headers()), error.get_body()
    except ClientError as error:
        status, headers, body = 400, {}, error.response["Error"]["Message"]
    except Exception as error:  # noqa: BLE001  logged, and answered as AWS answers its own faults
        _log.exception("moto failed to answer %s", environ["HTTP_X_AMZ_TARGET"])
        status, headers = 500, {"Content-Type": _JSON}
        body = json.dumps({"__type": "InternalServerError", "message": f"{type(error).__name__}: {error}"})
    content = body.encode() if isinstance(body, str) else bytes(body)
    return Reply(int(status), [(str(name), str(value)) for name, value in headers.items() if name != "status"], content)
