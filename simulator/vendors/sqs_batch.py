"""One SendMessageBatch call, and what it says about each entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from simulator.vendors.outbox import Accepted, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

_SERVER_ERRORS = 500
_TOO_MANY_REQUESTS = 429


def send_batch(sqs_client: Any, queue_url: str, bodies: Sequence[str]) -> list[Accepted | Refused]:
    """Send up to ten bodies and return what became of each, in the same order.

    Never raises for what SQS or the network answers: a call that fails refuses every entry, to be sent again unless
    the fault is the caller's (no such queue, access denied).
    """
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    try:
        answer = sqs_client.send_message_batch(QueueUrl=queue_url, Entries=entries)
    except ClientError as error:
        return [Refused(str(error), may_retry=_is_passing(error))] * len(bodies)
    except BotoCoreError as error:
        return [Refused(str(error), may_retry=True)] * len(bodies)
    accepted = {entry["Id"]: entry["MessageId"] for entry in answer.get("Successful", ())}
    refused = {entry["Id"]: entry for entry in answer.get("Failed", ())}
    return [_outcome(str(number), accepted, refused) for number in range(len(bodies))]


def _outcome(entry_id: str, accepted: dict[str, str], refused: dict[str, dict[str, Any]]) -> Accepted | Refused:
    if entry_id in accepted:
        return Accepted(accepted[entry_id])
    if entry_id in refused:
        why = refused[entry_id]
        return Refused(f"{why.get('Code')}: {why.get('Message', '')}", may_retry=not why.get("SenderFault", False))
    # Sent again even so: a duplicate is better than a loss.
    return Refused("SQS did not mention the entry", may_retry=True)


def _is_passing(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", _SERVER_ERRORS)
    code = error.response.get("Error", {}).get("Code", "")
    return status >= _SERVER_ERRORS or status == _TOO_MANY_REQUESTS or "Throttl" in code or code == "OverLimit"
