"""The one process in which Locust runs: its master or its worker, and nothing of ours but messages passed through.

Locust patches the interpreter for gevent, and asyncio does not survive that; so it has an interpreter of its own. What
comes on stdin is sent, what arrives is written to stdout (`simulator.workers.line` speaks to it): a line of JSON, then
as many bytes as it says. Locust brings who is there, their heartbeats and the messages; users and statistics of its own
it is never given.

Run it with `python -m simulator.workers.locust_process (master|worker) HOST PORT`; it ends when its stdin does.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from typing import Any

import gevent
from gevent.lock import RLock
from locust import runners
from locust.env import Environment
from locust.exception import RPCError

MESSAGE = "tracker-sim"
"""Locust's message type of everything that we say."""
_LOOK_EVERY_S = 0.2
_LINGER_MS = 1_000
_MASTER_SILENT_S = 15
"""A worker leaves a master it has not heard of for so long; Locust itself would wait a minute."""


class Passage:
    """Between our standard streams and Locust's messages."""

    def __init__(self) -> None:
        self._writing = RLock()
        self._threads = gevent.get_hub().threadpool

    def tell(self, event: str, body: bytes = b"", **about: Any) -> None:
        """Write one event to stdout."""
        line = json.dumps({"event": event, "size": len(body), **about}).encode() + b"\n"
        with self._writing:
            # In a thread: a pipe that is full must not stop the heartbeats.
            self._threads.apply(_write, (line + body,))

    def next_order(self) -> tuple[str | None, bytes] | None:
        """Read the next message to be sent, and to whom; None at the end of stdin."""
        line = self._threads.apply(sys.stdin.buffer.readline)
        if not line.endswith(b"\n"):
            return None
        about = json.loads(line)
        body = self._threads.apply(sys.stdin.buffer.read, (about["size"],))
        return about.get("to"), body

    def pass_on(self, environment: Environment, msg: Any) -> None:
        """Listener of our message type."""
        del environment
        body = msg.data.get("body") if isinstance(msg.data, dict) else None
        if isinstance(body, bytes):
            self.tell("message", body, node=msg.node_id)


def run_master(host: str, port: int) -> None:
    """Wait for workers, and tell who came, who went and what they say."""
    passage = Passage()
    try:
        runner = Environment().create_master_runner(host, port)
    except (SystemExit, RPCError) as error:
        passage.tell("failed", why=f"{host}:{port} cannot be listened on ({error})")
        return
    runner.register_message(MESSAGE, passage.pass_on)
    passage.tell("listening", port=runner.server.port)
    watching = gevent.spawn(_watch_workers, runner, passage)
    while (order := passage.next_order()) is not None:
        node, body = order
        runner.send_message(MESSAGE, {"body": body}, client_id=node)
    watching.kill()
    runner.quit()
    _flush(runner.server)


def _watch_workers(runner: Any, passage: Passage) -> None:
    known: set[str] = set()
    while True:
        gevent.sleep(_LOOK_EVERY_S)
        states = {client.id: client.state for client in runner.clients.all}
        for node in known - states.keys():
            passage.tell("gone", node=node, why="it left")
        missing = {node for node, state in states.items() if state == runners.STATE_MISSING}
        for node in known & missing:
            passage.tell("gone", node=node, why="it sent no heartbeat for some seconds")
        known = states.keys() - missing


def run_worker(host: str, port: int) -> None:
    """Join a master, and tell what it says."""
    passage = Passage()
    runners.MASTER_HEARTBEAT_TIMEOUT = _MASTER_SILENT_S
    environment = Environment()
    try:
        runner = environment.create_worker_runner(host, port)
    except (ConnectionError, RPCError) as error:
        passage.tell("failed", why=f"no master answers at {host}:{port} ({error})")
        return
    runner.register_message(MESSAGE, passage.pass_on)
    passage.tell("joined", node=runner.client_id)
    sending = gevent.spawn(_send_to_master, runner, passage)
    left = gevent.spawn(runner.greenlet.join)
    gevent.joinall([sending, left], count=1)
    if sending.ready():
        environment.events.quitting.fire(environment=environment, reverse=True)
    # When the master has left, the end of our stdout tells so.
    # Its listener would go on asking a closed socket, without a pause.
    runner.greenlet.kill()
    _flush(runner.client)


def _send_to_master(runner: Any, passage: Passage) -> None:
    while (order := passage.next_order()) is not None:
        runner.send_message(MESSAGE, {"body": order[1]})


def _flush(end: Any) -> None:
    """Let what was said leave, for a moment at most."""
    context = end.socket.context
    end.close(linger=_LINGER_MS)
    context.term()


def _write(data: bytes) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more; then stdin ends too
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    role, its_host, its_port = sys.argv[1:]
    try:
        {"master": run_master, "worker": run_worker}[role](its_host, int(its_port))
    finally:
        # Not the usual way: a thread that waits for stdin, or a message for one who is gone, would hold it up.
        os._exit(0)
