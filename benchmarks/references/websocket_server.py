"""A plain `websockets` server that echoes: what a careful person gets without API Gateway, Lambda or us. A script.

Prints `{"port": N}` and ends when its stdin does. No compression, no keep-alive pings: as the gateway has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

from websockets.asyncio.server import ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def main() -> None:
    async with serve(echo, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=1024) as server:
        print(json.dumps({"port": next(iter(server.sockets)).getsockname()[1]}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    run = asyncio.run
    with contextlib.suppress(ImportError):
        from uvloop import run  # type: ignore[assignment]
    run(main())
