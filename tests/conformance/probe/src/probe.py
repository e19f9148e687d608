"""The probe's one handler: keeps every event where the suite can read it, then does what the event says.

An event brings its own program, a JSON list of steps that run in order:

    {"sleep_ms": 300}                    wait
    {"wait_for": "SUBJECT"}              wait until somebody keeps something under SUBJECT
    {"keep": {"under": "SUBJECT", …}}    keep these facts under SUBJECT
    {"post": {"to": ID, "data": TEXT}}   post to a connection ("self": this one) and keep what came of it
    {"send": {"queue": URL, "body": …}}  put a message on a queue
    {"invoke_later": {…}}                invoke `function` asynchronously with the program `do` and this event's context
    {"at_disconnect": [STEP, …]}         on $connect: the program that $disconnect runs
    {"return": JSON}                     what the handler returns; without it {"statusCode": 200}
    {"return_event": true}               return the event itself as the body
    {"return_length": N}                 return a body of so many characters
    {"policy": {…}}                      authorizer: return a policy, see `_policy`
    {"fail": true}                       SQS: name this record in batchItemFailures; a number: the first so many times
    {"raise_times": N}                   SQS: raise the first N times that this record is received
    {"delete": true}                     SQS: delete this record from its queue, as handlers should not
    {"raise": TEXT}                      raise an exception with exactly this text
    {"exit": CODE}                       end the process

The program stands in the query parameter `do` of a handshake or an HTTP request (`authorize` for the authorizer), and
under the key `do` of a message that is JSON. Anything without a program is kept and answered with status 200.

Events are kept in the table `RECORDS_TABLE` under a subject: the connection id, and the `run` that the query or the
message names. Nothing here knows whether it runs on AWS or anywhere else.
"""

import json
import os
import sys
import time

import boto3

_TABLE = os.environ["RECORDS_TABLE"]
_AT_DISCONNECT = "at_disconnect"
_POLL_S = 0.05
_KEPT_BODY = 10_000

dynamodb = boto3.client("dynamodb")
invocations = 0
"""How many events this environment has had."""


class ProbeError(Exception):
    """What the step `raise` raises."""


def handler(event, context):
    """Keep the event, run its program, return what the program says."""
    global invocations  # noqa: PLW0603  module state that outlives an event is what some rows are about
    invocations += 1
    seen = {
        "kind": "event",
        "event": event,
        "context": _context_facts(context),
        "process": {"pid": os.getpid(), "invocations": invocations},
    }
    if "Records" in event:
        return _handle_batch(event, seen)
    context_of_request = event.get("requestContext") or {}
    connection_id = context_of_request.get("connectionId")
    query = event.get("queryStringParameters") or {}
    message = _json_object(event.get("body"))
    for subject in dict.fromkeys(filter(None, (connection_id, query.get("run"), message.get("run")))):
        keep(subject, seen)
    if event.get("type") == "REQUEST":
        program = _json_list(query.get("authorize"))
    elif context_of_request.get("eventType") == "DISCONNECT":
        program = _program_for_disconnect(connection_id)
    else:
        program = message.get("do") or _json_list(query.get("do"))
    return _run(program, event, connection_id)


def keep(subject, facts):
    """Put facts under a subject, in the order in which they happened."""
    item = {
        "subject": {"S": subject},
        "at": {"S": f"{time.time_ns():020d}-{os.getpid()}-{invocations}"},
        "facts": {"S": json.dumps(facts)},
    }
    dynamodb.put_item(TableName=_TABLE, Item=item)


def _handle_batch(event, seen):
    seen["event"] = {"Records": [_short_record(record) for record in event["Records"]]}
    seen["event_bytes"] = len(json.dumps(event))
    seen["at_ms"] = time.time_ns() // 1_000_000
    bodies = {record["messageId"]: _json_object(record["body"]) for record in event["Records"]}
    for run in dict.fromkeys(body["run"] for body in bodies.values() if "run" in body):
        keep(run, seen)
    returned, failures = None, []
    for record in event["Records"]:
        for step in bodies[record["messageId"]].get("do", []):
            count = int(record["attributes"]["ApproximateReceiveCount"])
            if "fail" in step:
                if step["fail"] is True or count <= step["fail"]:
                    failures.append({"itemIdentifier": record["messageId"]})
            elif "raise_times" in step:
                if count <= step["raise_times"]:
                    raise ProbeError(count)
            elif "delete" in step:
                _delete(record)
            elif "return" in step:
                returned = step["return"]
            else:
                _step(step, event, None)
    return {"batchItemFailures": failures} if failures else returned


def _short_record(record):
    """A record as it is kept: a table takes no large bodies."""
    length = len(record["body"])
    return record if length <= _KEPT_BODY else {**record, "body": f"{length} characters"}


def _delete(record):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=record["eventSourceARN"].rpartition(":")[2])["QueueUrl"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])


def _run(program, event, connection_id):
    result = {"statusCode": 200}
    for step in program:
        if "return" in step:
            result = step["return"]
        elif "return_event" in step:
            result = {"statusCode": 200, "body": json.dumps(event)}
        elif "return_length" in step:
            result = {"statusCode": 200, "body": "x" * step["return_length"]}
        elif "policy" in step:
            result = _policy(event, step["policy"])
        else:
            _step(step, event, connection_id)
    return result


def _step(step, event, connection_id):
    ((name, value),) = step.items()
    if name in ("sleep_ms", "wait_for"):
        _wait(name, value)
    elif name == "keep":
        keep(value["under"], value)
    elif name == "post":
        _post(event["requestContext"], value, connection_id)
    elif name == "send":
        boto3.client("sqs").send_message(QueueUrl=value["queue"], MessageBody=json.dumps(value["body"]))
    elif name == "invoke_later":
        later = {"do": value["do"], "requestContext": event["requestContext"]}
        boto3.client("lambda").invoke(FunctionName=value["function"], InvocationType="Event", Payload=json.dumps(later))
    elif name == _AT_DISCONNECT:
        _put_program(connection_id, value)
    elif name == "raise":
        raise ProbeError(value)
    elif name == "exit":
        sys.exit(value)
    else:
        raise ValueError(name)


def _wait(name, value):
    if name == "sleep_ms":
        time.sleep(value / 1000)
    else:
        while not _query(value):
            time.sleep(_POLL_S)


def _post(request, wanted, connection_id):
    """Post as handlers do, to the address that the event gives; what came of it is kept as `posted`."""
    url = f"https://{request['domainName']}/{request['stage']}"
    management = boto3.client("apigatewaymanagementapi", endpoint_url=url)
    to = connection_id if wanted["to"] == "self" else wanted["to"]
    try:
        management.post_to_connection(ConnectionId=to, Data=wanted["data"].encode())
        outcome = "sent"
    except management.exceptions.ClientError as error:
        outcome = f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}"
    keep(connection_id, {"kind": "posted", "to": to, "outcome": outcome, "url": url})


def _policy(event, wanted):
    """What an authorizer returns: `effect` (default Allow) on the route that is asked for.

    `deny_route` denies another route besides. `principalId` is "someone"; null leaves it out. `context` is passed on,
    `filler` adds an entry of so many characters to it.
    """
    arn = event["methodArn"]
    statements = [{"Action": "execute-api:Invoke", "Effect": wanted.get("effect", "Allow"), "Resource": arn}]
    if "deny_route" in wanted:
        other = arn.removesuffix("$connect") + wanted["deny_route"]
        statements.append({"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": other})
    policy = {"policyDocument": {"Version": "2012-10-17", "Statement": statements}}
    principal = wanted.get("principalId", "someone")
    if principal is not None:
        policy["principalId"] = principal
    context = {**wanted.get("context", {}), **({"filler": "x" * wanted["filler"]} if "filler" in wanted else {})}
    if context:
        policy["context"] = context
    return policy


def _query(subject):
    found = dynamodb.query(
        TableName=_TABLE,
        ConsistentRead=True,
        KeyConditionExpression="subject = :s",
        ExpressionAttributeValues={":s": {"S": subject}},
    )
    return found["Items"]


def _put_program(connection_id, program):
    item = {
        "subject": {"S": f"{_AT_DISCONNECT} {connection_id}"},
        "at": {"S": _AT_DISCONNECT},
        "facts": {"S": json.dumps(program)},
    }
    dynamodb.put_item(TableName=_TABLE, Item=item)


def _program_for_disconnect(connection_id):
    items = _query(f"{_AT_DISCONNECT} {connection_id}")
    return json.loads(items[0]["facts"]["S"]) if items else []


def _context_facts(context):
    return {
        "function_name": context.function_name,
        "function_version": context.function_version,
        "invoked_function_arn": context.invoked_function_arn,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "aws_request_id": context.aws_request_id,
        "log_group_name": context.log_group_name,
        "log_stream_name": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
    }


def _json_object(text):
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _json_list(text):
    return json.loads(text) if text else []
