"""A storm of clients that come and go at every stage: what is left of them is nothing."""

import asyncio
import contextlib
import gc
import random
import ssl
from pathlib import Path

import pytest

SEED = 7
CLIENTS = 600
AT_ONCE = 60
PATIENCE_S = 30.0

ROUTES = {"$connect": {}, "$disconnect": {}, "$default": {"route_response": True}}
NO_LIMITS = {"connects_per_s": 1e9, "connects_burst": 10**9, "account_rate_per_s": 1e9, "account_burst": 10**9}
ASK = b"GET /primary/vendors HTTP/1.1\r\nHost: a\r\n\r\n"


def descriptors():
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_descriptors_and_tasks_return_to_where_they_were(serve, secure):
    served = await serve(ROUTES, settings=NO_LIMITS)
    endpoint = served.gateway._endpoints[0]
    rng = random.Random(SEED)
    trusting = ssl.create_default_context(cafile=str(served.gateway.ca_bundle)) if secure else None
    options = {"ssl": trusting, "server_hostname": "localhost"} if secure else {}
    room = asyncio.Semaphore(AT_ONCE)
    upgrade = served.upgrade_request()
    stages = [
        b"",
        ASK[:20],
        ASK,
        upgrade[:50],
        upgrade,
        upgrade + served.masked_frame(1, b"hello"),
        upgrade + served.masked_frame(1, b"hello") + served.masked_frame(8),
        upgrade + served.masked_frame(1, b"hello")[:-2],
        b"nonsense\r\n\r\n",
    ]

    async def client():
        async with room:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port, **options)
            with contextlib.suppress(ConnectionError):
                writer.write(rng.choice(stages))
                await writer.drain()
                if rng.random() < 0.5:
                    await asyncio.wait({asyncio.ensure_future(reader.read(1))}, timeout=0.01)
            if rng.random() < 0.5:
                writer.transport.abort()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def storm(clients):
        await asyncio.gather(*(client() for _ in range(clients)))
        async with asyncio.timeout(PATIENCE_S):
            # Nobody is told when a socket goes that said nothing.
            while endpoint._connections or endpoint._tasks or endpoint.newcomers or endpoint._listener._admitting:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        gc.collect()
        return descriptors(), len(asyncio.all_tasks())

    before = await storm(AT_ONCE)
    assert await storm(CLIENTS) == before
    assert (endpoint.channels, endpoint.pending) == ({}, {})
    assert served.gateway.connection_counts()["open"] == 0
    assert served.functions.count["on-disconnect"] > 0
    assert (await served.ask("GET", "/primary/vendors")).status == 200
