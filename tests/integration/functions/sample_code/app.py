"""Handlers for the tests of `simulator.functions`."""

import decimal
import json
import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

calls = 0
left = []


def echo(event, context):
    return event


def count(event, context):
    global calls  # noqa: PLW0603  what survives between calls is what is tested
    calls += 1
    return {"calls": calls, "pid": os.getpid()}


def describe_context(event, context):
    return {
        "attributes": {
            name: getattr(context, name)
            for name in (
                "function_name",
                "function_version",
                "invoked_function_arn",
                "memory_limit_in_mb",
                "aws_request_id",
                "log_group_name",
                "client_context",
                "tenant_id",
            )
        },
        "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
        "log_stream_name": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
    }


def environment(event, context):
    return dict(os.environ)


def process(event, context):
    return {
        "path": sys.path,
        "cwd": str(Path.cwd()),
        "pid": os.getpid(),
        "sid": os.getsid(0),
        "home": [str(path) for path in Path.home().iterdir()],
    }


def meet(event, context):
    """Report to the test, then wait until it lets go."""
    with socket.create_connection(("127.0.0.1", event["port"])) as peer:
        peer.sendall(f"{os.getpid()}\n".encode())
        peer.recv(1)
    return {"pid": os.getpid(), "name": event.get("name")}


def meet_with_child(event, context):
    """As `meet`, from a child process too."""
    if os.fork() == 0:
        meet(event, context)
        os._exit(0)
    return meet(event, context)


def leaves_work(event, context):
    """Return while a thread, and perhaps a child process, still wait to be let go; `join` waits for the last one."""
    if event.get("join"):
        left.pop().join()
    connected, ready = os.pipe()

    def wait():
        with socket.create_connection(("127.0.0.1", event["port"])) as peer:
            peer.sendall(f"{os.getpid()}\n".encode())
            os.write(ready, b"x")
            peer.recv(1)
            peer.sendall(b"done\n")

    left.append(threading.Thread(target=wait, daemon=True))
    left[-1].start()
    os.read(connected, 1)
    if event.get("child"):
        if os.fork() == 0:
            wait()
            os._exit(0)
        os.read(connected, 1)
    return os.getpid()


def takes_a_moment(event, context):
    time.sleep(0.5)
    return {"pid": os.getpid()}


def fail(event, context):
    raise ValueError(event.get("message", "no"))


def recurse(event, context):
    return recurse(event, context)


def mutate(event, context):
    event["a"] = "changed"


def exits(event, context):
    sys.exit(event["code"])


def dies(event, context):
    os._exit(event["code"])


def unserialisable(event, context):
    return {1, 2}


def decimal_result(event, context):
    return {"n": decimal.Decimal("1.50")}


def raw_bytes(event, context):
    return b'{"raw": true}'


def large(event, context):
    return "x" * event["size"]


def output(event, context):
    print("to stdout é")  # noqa: T201
    print("to stderr", file=sys.stderr)  # noqa: T201
    print("escape \x1b[2J")  # noqa: T201


def client_facts(event, context):
    context_given = context.client_context
    if context_given is None:
        return None
    return [context_given.custom, context_given.env, context_given.client and context_given.client.app_title]


def arn(event, context):
    return context.invoked_function_arn


def fails_until(event, context):
    """Raise until this environment has been asked so many times; tell the test each time."""
    global calls  # noqa: PLW0603
    calls += 1
    with socket.create_connection(("127.0.0.1", event["port"])) as peer:
        peer.sendall(f"{calls} {context.aws_request_id}\n".encode())
    if calls <= event["times"]:
        raise ValueError(f"try {calls}")
    return {"calls": calls}


def keeps_a_file(event, context):
    """Write under the folder for temporary files what the next call reads."""
    file = Path(tempfile.gettempdir()) / event["name"]
    before = file.read_text() if file.exists() else None
    file.write_text(event["text"])
    return before


def invokes(event, context):
    """Invoke another function as handlers do: boto3 with no settings of its own."""
    import boto3  # noqa: PLC0415  half a second that no other handler here needs

    answer = boto3.client("lambda").invoke(
        FunctionName=event["name"], InvocationType=event["type"], Payload=json.dumps(event["payload"])
    )
    return {"status": answer["StatusCode"], "payload": answer["Payload"].read().decode()}


def tell_payload(event, context):
    """As `meet`, for events whose sender knows of no test."""
    return meet({"port": int(os.environ["RENDEZVOUS"])}, context)
