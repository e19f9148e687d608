"""The child process: moto on a loopback port of its own, until its parent is gone.

    python -m simulator.cloud.server [--stock-moto | SETTINGS]

SETTINGS is `CloudSettings` as one JSON object.

It prints `{"port": N}` as soon as it listens (connections wait in the backlog from then on) and `{"ready": true}` once
it answers. From then on each line on its standard input is an order to switch a fault (`FaultDoor.switch`), and is
answered by a line, `{"done": true}` or `{"failed": why}`. It ends when its standard input reaches end of file, so a
parent that was killed leaves no orphan, and on SIGTERM.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import threading
from typing import Any

from simulator.cloud.fault_door import FaultDoor
from simulator.cloud.http_server import Application, Environ, HttpServer, Reply, listen_on_loopback
from simulator.cloud.settings import CloudSettings

_WARM_UP = (
    ("dynamodb", "DynamoDB_20120810.ListTables"),
    ("sqs", "AmazonSQS.ListQueues"),
)
"""One call to each service loads what moto and botocore only load when it is first needed."""


def main(arguments: list[str]) -> None:
    """Listen, say so, load moto, say so, serve."""
    stock = "--stock-moto" in arguments
    settings = CloudSettings() if stock or not arguments else CloudSettings(**json.loads(arguments[0]))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    orders = Orders()
    threading.Thread(target=orders.take, name="parent-watch", daemon=True).start()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    listener = listen_on_loopback()
    server_port = listener.getsockname()[1]
    _announce({"port": server_port})
    application = _load(settings, stock=stock)
    _warm_up(application, server_port)
    door = FaultDoor(application)
    orders.go_to(door)
    _announce({"ready": True})
    HttpServer(listener, door).serve_forever()


def _announce(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Orders:
    """What the parent says on standard input, until nobody holds its other end any more."""

    def __init__(self) -> None:
        self._door: FaultDoor | None = None

    def go_to(self, door: FaultDoor) -> None:
        """Let orders be carried out from now on."""
        self._door = door

    def take(self) -> None:
        """Carry out orders; at end of file the process ends."""
        # Not through sys.stdin: its lock would be held while the interpreter shuts down.
        said = b""
        while data := os.read(0, 65_536):
            *lines, said = (said + data).split(b"\n")
            for line in lines:
                _announce(self._carry_out(line))
        os._exit(0)

    def _carry_out(self, line: bytes) -> dict[str, Any]:
        if self._door is None:
            return {"failed": "the order came too early"}
        try:
            self._door.switch(json.loads(line))
        except Exception as error:  # noqa: BLE001  told to the parent, who waits
            return {"failed": f"{type(error).__name__}: {error}"}
        return {"done": True}


def _load(settings: CloudSettings, *, stock: bool) -> Application:
    # Nothing that is imported ever becomes garbage; looking for it anyway costs a tenth of the import.
    gc.disable()
    from simulator.cloud.front_door import front_door  # noqa: PLC0415  this imports moto, after the port is known

    if not stock:
        from simulator.cloud.patches import apply_patches  # noqa: PLC0415

        apply_patches(settings=settings)
        if settings.ttl_sweep_s:
            from simulator.cloud.expiry import sweep_for_ever  # noqa: PLC0415

            sweep_for_ever(settings.ttl_sweep_s)
    gc.freeze()
    gc.enable()
    return front_door(stock=stock)


def _warm_up(application: Application, port: int) -> None:
    import io  # noqa: PLC0415

    for service, target in _WARM_UP:
        environ: Environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(port),
            "HTTP_HOST": f"127.0.0.1:{port}",
            "HTTP_X_AMZ_TARGET": target,
            "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/{service}/aws4_request",
            "CONTENT_TYPE": "application/x-amz-json-1.0",
            "CONTENT_LENGTH": "2",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(b"{}"),
            "wsgi.errors": sys.stderr,
        }
        reply: Reply = application(environ)
        if reply.status != 200:  # noqa: PLR2004  plain HTTP
            logging.getLogger(__name__).warning("%s answered %s while warming up", target, reply.status)


if __name__ == "__main__":
    main(sys.argv[1:])
