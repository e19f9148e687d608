"""Handlers for the tests of `simulator.functions`."""

import decimal
import os
import socket
import sys
import threading
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
