"""One gateway and a crowd of silent viewers: `python idle.py COUNT plain|deflate`, in a fresh process.

Prints what each connection costs and how fast they came, as one line of JSON, after a message and a callback have gone
through while all of them were connected.
"""

import asyncio
import gc
import json
import random
import subprocess
import sys
from pathlib import Path

import psutil
from websockets.asyncio.client import connect

from simulator import loop as fast_loop
from simulator.clock import SystemClock
from simulator.gateway.server import Gateway
from simulator.gateway.settings import GatewaySettings
from simulator.invocation import InvocationResult
from simulator.load.descriptors import ensure_descriptors
from simulator.stack.model import Stack, WebSocketApi, WebSocketRoute

CROWD = Path(__file__).with_name("crowd.py")
WARM_UP = 50
PATIENCE_S = 300.0
ROUTES = {
    "$connect": WebSocketRoute("$connect", "connect"),
    "$default": WebSocketRoute("$default", "default", route_response=True),
}
UNLIMITED = {"connects_per_s": 1e9, "connects_burst": 10**9, "account_rate_per_s": 1e9, "account_burst": 10**9}


def stack_of(routes):
    api = WebSocketApi("Sockets", "k3v9q2d7xa", "sockets", "primary", "$request.body.action", routes)
    return Stack(
        template=Path("template.yaml"),
        region="us-east-1",
        account_id="123456789012",
        tables=(),
        queues=(),
        functions=(),
        triggers=(),
        outputs={},
        websocket_apis=(api,),
        http_apis=(),
    )


async def ask(port, method, path, body):
    """The status of one request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1])


class Crowd:
    """The clients' process."""

    def __init__(self, gateway, count, kind):
        self.gateway, self.count, self.kind = gateway, count, kind

    async def __aenter__(self):
        command = [sys.executable, str(CROWD), str(self.gateway.main_address.port), str(self.count), self.kind]
        self.process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        self.connects_per_s = self.count / float(said)
        return self

    async def __aexit__(self, *_):
        await self.process.communicate(b"\n")
        async with asyncio.timeout(PATIENCE_S):
            await self.gateway._endpoints[0]._connections._empty.wait()


def descriptors():
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def measure(count, kind):
    ensure_descriptors(count)

    async def invoke(function_name: str, payload: bytes, *, origin: str = "") -> InvocationResult:
        return InvocationResult("1", b'{"statusCode":200,"body":"an answer"}')

    settings = GatewaySettings(**UNLIMITED)
    gateway = Gateway(stack_of(ROUTES), invoke, clock=SystemClock(), rng=random.Random(1), settings=settings)
    await gateway.start()
    port = gateway.main_address.port
    process = psutil.Process()
    async with Crowd(gateway, WARM_UP, kind):
        pass
    gc.collect()
    before = (process.memory_info().rss, descriptors(), len(asyncio.all_tasks()))
    async with Crowd(gateway, count, kind) as crowd:
        gc.collect()
        bytes_each = (process.memory_info().rss - before[0]) / count
        open_count = gateway.connection_counts()["open"]
        async with connect(f"ws://127.0.0.1:{port}/primary", proxy=None) as client:
            await client.send("hello")
            answered = await client.recv()
            connection_id = next(reversed(gateway._endpoints[0].channels))
            status = await ask(port, "POST", f"/primary/@connections/{connection_id}", b"a callback")
            posted = await client.recv()
    left = (descriptors() - before[1], len(asyncio.all_tasks()) - before[2])
    await gateway.stop()
    return {
        "open": open_count,
        "bytes_each": round(bytes_each),
        "connects_per_s": round(crowd.connects_per_s),
        "meanwhile": [answered, status, posted],
        "descriptors_and_tasks_left": left,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(fast_loop.run(measure(int(sys.argv[1]), sys.argv[2]))) + "\n")
