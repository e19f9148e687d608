"""A crowd of silent WebSocket clients, in a process of its own: `python crowd.py PORT COUNT plain|deflate`.

Says how many seconds it took once all are connected, keeps them until a line comes on stdin, then drops them all.
"""

import asyncio
import sys
import time

from simulator.load.descriptors import ensure_descriptors

AT_ONCE = 200


def upgrade_request(*, deflate: bool) -> bytes:
    """What a browser sends, more or less."""
    lines = [
        "GET /primary HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Origin: https://app.example.test",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
        "Accept-Encoding: gzip, deflate, br",
    ]
    if deflate:
        lines.append("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    return "\r\n".join([*lines, "", ""]).encode()


async def main(port: int, count: int, kind: str) -> None:
    """Connect `count` clients, then wait."""
    ensure_descriptors(count)
    request = upgrade_request(deflate=kind == "deflate")
    began = time.perf_counter()
    room, clients = asyncio.Semaphore(AT_ONCE), []

    async def connect() -> None:
        async with room:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head:
                raise SystemExit(head.decode())
            clients.append(writer)

    await asyncio.gather(*(connect() for _ in range(count)))
    sys.stdout.write(f"{time.perf_counter() - began}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    for writer in clients:
        writer.transport.abort()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
