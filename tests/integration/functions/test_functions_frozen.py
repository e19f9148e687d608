"""F07: what a handler leaves running stops when it has returned, and nothing that is stopped is ever left behind."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from simulator.functions import FunctionPool, runtime_client_installed
from simulator.functions.settings import FunctionSettings

pytestmark = pytest.mark.skipif(not runtime_client_installed(), reason="awslambdaric is not installed here")
SAMPLE_CODE = Path(__file__).with_name("sample_code")
REPOSITORY = Path(__file__).parents[3]
LIMIT_S = 20
LOOK_AGAIN_S = 0.02
"""Nothing tells us that a process has been stopped: it can only be looked at."""


async def state_of(pid: int) -> str:
    """`ps`'s letter: `T` for stopped; empty when there is no such process."""
    ps = await asyncio.create_subprocess_exec("ps", "-o", "stat=", "-p", str(pid), stdout=asyncio.subprocess.PIPE)
    return (await ps.communicate())[0].decode().strip()[:1]


async def until_frozen(*pids: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        for pid in pids:
            while await state_of(pid) != "T":  # noqa: ASYNC110  there is no event to wait for
                await asyncio.sleep(LOOK_AGAIN_S)


async def until_gone(*pids: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        for pid in pids:
            while await state_of(pid) not in ("", "Z"):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_AGAIN_S)


async def leave_work(pool: FunctionPool, port: int, *, child: bool = False, join: bool = False) -> int:
    result = await pool.invoke("sample", json.dumps({"port": port, "child": child, "join": join}).encode())
    return int(result.payload)


async def test_F07_a_thread_left_running_stops_and_goes_on_with_the_next_event(make_pool, rendezvous) -> None:
    pool = await make_pool("app.leaves_work")
    pid = await leave_work(pool, rendezvous.port)
    _, reader, writer = await asyncio.wait_for(rendezvous.arrived.get(), LIMIT_S)
    await until_frozen(pid)
    writer.write(b"x")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readline(), 0.1)
    assert await leave_work(pool, rendezvous.port, join=True) == pid
    assert await asyncio.wait_for(reader.readline(), LIMIT_S) == b"done\n"


async def test_F07_freezing_can_be_switched_off(make_pool, rendezvous) -> None:
    pool = await make_pool("app.leaves_work", settings=FunctionSettings(freeze=False))
    await leave_work(pool, rendezvous.port)
    _, reader, writer = await asyncio.wait_for(rendezvous.arrived.get(), LIMIT_S)
    writer.write(b"x")
    assert await asyncio.wait_for(reader.readline(), LIMIT_S) == b"done\n"


async def test_F07_child_processes_of_a_handler_are_frozen_with_it(make_pool, rendezvous) -> None:
    pool = await make_pool("app.leaves_work")
    pid = await leave_work(pool, rendezvous.port, child=True)
    pids = {await rendezvous.next_pid(), await rendezvous.next_pid()}
    assert pid in pids
    await until_frozen(*pids)


async def test_F07_an_environment_is_frozen_after_it_has_loaded_when_nobody_waits_any_more(
    make_pool, rendezvous
) -> None:
    pool = await make_pool("app.meet", max_environments=1)
    calls = [
        asyncio.create_task(pool.invoke("sample", json.dumps({"port": rendezvous.port}).encode())) for _ in range(2)
    ]
    pid = await rendezvous.next_pid()
    calls[1].cancel()
    await rendezvous.release()
    await calls[0]
    await until_frozen(pid)


async def test_stop_ends_frozen_environments_without_letting_them_go_on(make_pool, rendezvous) -> None:
    pool = await make_pool("app.leaves_work")
    pid = await leave_work(pool, rendezvous.port, child=True)
    readers, writers = {}, []
    for _ in range(2):
        arrived, reader, writer = await asyncio.wait_for(rendezvous.arrived.get(), LIMIT_S)
        readers[arrived] = reader
        writers.append(writer)
    await until_frozen(*readers)
    for writer in writers:
        writer.write(b"x")
    await pool.stop()
    for reader in readers.values():
        try:
            left = await asyncio.wait_for(reader.read(), LIMIT_S)
        except ConnectionResetError:  # it died with our byte unread
            left = b""
        assert left == b""
    assert await state_of(pid) == ""


async def test_a_frozen_environment_that_is_killed_is_replaced(make_pool, rendezvous) -> None:
    pool = await make_pool("app.leaves_work")
    pid = await leave_work(pool, rendezvous.port)
    await until_frozen(pid)
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(LIMIT_S):
        while pool.worker_pids() != {"sample": []}:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN_S)
    assert await leave_work(pool, rendezvous.port) != pid


async def test_no_worker_is_left_when_the_simulator_is_killed_frozen_or_not(rendezvous, tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from simulator.functions import FunctionPool\n"
        "from simulator.stack.model import Function\n"
        "async def main():\n"
        "    code = Path(sys.argv[1])\n"
        "    frozen = Function('F', 'frozen', 'arn', 'app.leaves_work', 'python3.11', code, timeout_s=60)\n"
        "    running = Function('R', 'running', 'arn', 'app.meet_with_child', 'python3.11', code, timeout_s=60)\n"
        "    pool = FunctionPool([frozen, running], {}, region='r', aws_endpoint_url='http://127.0.0.1:9')\n"
        "    await pool.start()\n"
        "    await pool.invoke('frozen', b'{\"port\": %s, \"child\": true}' % sys.argv[2].encode())\n"
        "    await pool.invoke('running', b'{\"port\": %s}' % sys.argv[2].encode())\n"
        "asyncio.run(main())\n"
    )
    simulator = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, str(SAMPLE_CODE), str(rendezvous.port)),
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    arrived = [await asyncio.wait_for(rendezvous.arrived.get(), LIMIT_S) for _ in range(4)]
    await until_frozen(*(pid for pid, _, _ in arrived[:2]))
    simulator.kill()
    await simulator.wait()
    for _, reader, _ in arrived:
        assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""
    await until_gone(*(pid for pid, _, _ in arrived))


async def test_a_killed_guardian_is_told_and_the_functions_go_on(
    make_pool, rendezvous, caplog: pytest.LogCaptureFixture
) -> None:
    pool = await make_pool("app.leaves_work")
    guardian = pool._guardian
    os.kill(guardian.pid, signal.SIGKILL)
    await until_gone(guardian.pid)
    with caplog.at_level(logging.WARNING, "simulator.functions"):
        await leave_work(pool, rendezvous.port)
    assert [
        message for message in caplog.messages if f"The guardian (process {guardian.pid}) has been killed" in message
    ]
