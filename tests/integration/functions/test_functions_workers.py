"""What only worker processes do: isolation, concurrency, death and clean ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.functions import FunctionPool, runtime_client_installed
from simulator.functions.settings import FunctionSettings
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Function

pytestmark = pytest.mark.skipif(not runtime_client_installed(), reason="awslambdaric is not installed here")
SAMPLE_CODE = Path(__file__).with_name("sample_code")
REPOSITORY = Path(__file__).parents[3]


def sample(handler: str, **overrides: Any) -> Function:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:sample"
    settings: dict[str, Any] = {"name": "sample", "code_dir": SAMPLE_CODE, "timeout_s": 20}
    return Function(logical_id="Sample", arn=arn, handler=handler, runtime="python3.11", **(settings | overrides))


async def call(pool: FunctionPool, event: Any = None, name: str = "sample") -> InvocationResult:
    return await pool.invoke(name, json.dumps(event).encode())


def begin(pool: FunctionPool, event: Any = None) -> asyncio.Task[InvocationResult]:
    return asyncio.create_task(call(pool, event))


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_F04_exact_set_of_variables(make_pool) -> None:
    pool = await make_pool("app.environment")
    seen = json.loads((await call(pool)).payload)
    assert set(seen) - {"TMPDIR"} == {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_LAMBDA",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "HOME",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "LANG",
        "LD_LIBRARY_PATH",
        "NO_PROXY",
        "PATH",
        "PYTHONPATH",
        "TZ",
        "_AWS_XRAY_DAEMON_ADDRESS",
        "_AWS_XRAY_DAEMON_PORT",
        "_HANDLER",
        "no_proxy",
        "_X_AMZN_TRACE_ID",
    }
    assert seen["_X_AMZN_TRACE_ID"].startswith("Root=1-")


async def test_process_runs_in_the_code_folder_and_in_a_session_of_its_own(make_pool) -> None:
    pool = await make_pool("app.process")
    seen = json.loads((await call(pool)).payload)
    assert seen["path"][0] == seen["cwd"] == str(SAMPLE_CODE)
    assert str(REPOSITORY / "simulator" / "functions") not in seen["path"]
    assert seen["sid"] == seen["pid"]
    assert seen["home"] == []
    assert pool.worker_pids() == {"sample": [seen["pid"]]}


async def test_F06_concurrent_events_run_in_as_many_environments(make_pool, rendezvous) -> None:
    pool = await make_pool("app.meet")
    calls = [begin(pool, {"port": rendezvous.port}) for _ in range(4)]
    pids = {await rendezvous.next_pid() for _ in range(4)}
    assert len(pids) == 4
    assert sorted(pool.worker_pids()["sample"]) == sorted(pids)
    await rendezvous.release()
    assert {json.loads(r.payload)["pid"] for r in await asyncio.gather(*calls)} == pids


async def test_over_the_cap_events_wait_for_whoever_is_free_first(make_pool, rendezvous) -> None:
    pool = await make_pool("app.meet", max_environments=2)
    calls = [begin(pool, {"port": rendezvous.port, "name": n}) for n in range(5)]
    for _ in range(5):
        await rendezvous.next_pid()
        await rendezvous.release()
    results = [json.loads(r.payload) for r in await asyncio.gather(*calls)]
    assert [r["name"] for r in results] == [0, 1, 2, 3, 4]
    assert len({r["pid"] for r in results}) <= 2
    assert pool.stats()["sample"]["cold_starts"] <= 2


async def test_F16_reserved_concurrency_refuses_the_next_event(make_pool, rendezvous) -> None:
    pool = await make_pool(sample("app.meet", reserved_concurrency=1))
    running = begin(pool, {"port": rendezvous.port})
    await rendezvous.next_pid()
    with pytest.raises(InvokeRefusedError, match=r"Rate Exceeded\."):
        await call(pool, {"port": rendezvous.port})
    await rendezvous.release()
    assert (await running).function_error is None
    assert pool.stats()["sample"]["throttled"] == 1


async def test_F19_a_caller_that_gives_up_while_it_waits_gives_its_place_back(make_pool, rendezvous) -> None:
    pool = await make_pool(sample("app.meet", reserved_concurrency=2), max_environments=1)
    running = begin(pool, {"port": rendezvous.port})
    await rendezvous.next_pid()
    waiting = begin(pool, {"port": rendezvous.port})
    await asyncio.sleep(0)
    with pytest.raises(InvokeRefusedError):
        await call(pool, {"port": rendezvous.port})
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    last = begin(pool, {"port": rendezvous.port})
    await rendezvous.release()
    assert (await running).function_error is None
    await rendezvous.next_pid()
    await rendezvous.release()
    assert (await last).function_error is None


async def test_kill_in_the_middle_of_an_invocation_is_an_error_result_and_the_pool_goes_on(
    make_pool, rendezvous
) -> None:
    pool = await make_pool("app.meet")
    running = begin(pool, {"port": rendezvous.port})
    os.kill(await rendezvous.next_pid(), signal.SIGKILL)
    result = await running
    assert result.function_error == "Unhandled"
    assert json.loads(result.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {result.request_id} Error: Runtime exited with error: signal: killed",
    }
    again = begin(pool, {"port": rendezvous.port})
    await rendezvous.next_pid()
    await rendezvous.release()
    assert (await again).function_error is None


async def test_F12_os_exit(make_pool) -> None:
    pool = await make_pool("app.dies")
    result = await call(pool, {"code": 0})
    assert json.loads(result.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {result.request_id} Error: Runtime exited without providing a reason",
    }


async def test_F10_timeout_kills_the_process(make_pool, rendezvous) -> None:
    pool = await make_pool(sample("app.meet", timeout_s=1))
    running = begin(pool, {"port": rendezvous.port})
    pid, reader, _ = await rendezvous.arrived.get()
    assert json.loads((await running).payload)["errorType"] == "Sandbox.Timedout"
    assert await reader.read() == b""
    await pool.stop()
    assert gone(pid)


async def test_exit_at_import_is_answered_once_per_invocation(make_pool) -> None:
    pool = await make_pool("exits_at_import.handler")
    for _ in range(2):
        result = await call(pool)
        assert json.loads(result.payload)["errorMessage"].endswith("Runtime exited with error: exit status 4")
    assert pool.stats()["sample"]["cold_starts"] == 2


async def test_F09_slow_import_is_tried_once_more_then_times_out(make_pool, rendezvous) -> None:
    pool = await make_pool(
        sample("hangs_at_import.handler", timeout_s=1),
        variables={"sample": {"RENDEZVOUS": str(rendezvous.port)}},
        settings=FunctionSettings(init_limit_s=0.5),
    )
    result = await call(pool)
    assert json.loads(result.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert pool.stats()["sample"]["cold_starts"] == 2


async def test_F09_import_error_does_not_start_a_process_for_each_event(make_pool) -> None:
    pool = await make_pool("raises_at_import.handler")
    results = await asyncio.gather(*(call(pool) for _ in range(50)))
    assert {r.function_error for r in results} == {"Unhandled"}
    assert {json.loads(r.payload)["requestId"] for r in results} == {""}
    assert pool.stats()["sample"]["cold_starts"] <= max(2, os.cpu_count() or 1)


async def test_output_is_told_line_by_line(make_pool) -> None:
    heard: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()
    pool = await make_pool("app.output", on_log=lambda *line: heard.put_nowait(line))
    await call(pool)
    lines = [await asyncio.wait_for(heard.get(), 10) for _ in range(3)]
    assert lines == [
        ("sample", "sample#1", "to stdout é"),
        ("sample", "sample#1", "to stderr"),
        ("sample", "sample#1", r"escape \x1b[2J"),
    ]


async def test_missing_code_folder_is_a_refusal_that_names_it(make_pool, tmp_path: Path) -> None:
    pool = await make_pool(sample("app.echo", code_dir=tmp_path / "absent"))
    with pytest.raises(
        InvokeRefusedError, match=r"No process for function sample could be started in .*/absent: "
    ) as e:
        await call(pool)
    assert e.value.status == 500


async def test_a_variable_that_no_process_can_have_is_a_refusal(make_pool) -> None:
    pool = await make_pool("app.echo", variables={"sample": {"TABLE": "a\0b"}})
    with pytest.raises(InvokeRefusedError, match="No process for function sample could be started"):
        await call(pool)


async def test_stop_refuses_what_runs_and_waits_and_leaves_no_process(make_pool, rendezvous) -> None:
    pool = await make_pool("app.meet_with_child", max_environments=1)
    calls = [begin(pool, {"port": rendezvous.port}) for _ in range(3)]
    readers = []
    pids = []
    for _ in range(2):
        pid, reader, _ = await asyncio.wait_for(rendezvous.arrived.get(), 10)
        pids.append(pid)
        readers.append(reader)
    [worker] = pool.worker_pids()["sample"]
    await pool.stop()
    for running in calls:
        with pytest.raises(InvokeRefusedError, match="being stopped"):
            await running
    assert worker in pids
    assert gone(worker)
    for reader in readers:
        assert await asyncio.wait_for(reader.read(), 10) == b""
    with pytest.raises(InvokeRefusedError, match="being stopped"):
        await call(pool)
    assert pool.worker_pids() == {}
    assert pool.stats()["sample"]["invocations"] == 3


async def test_an_answer_that_comes_while_the_pool_stops_is_nobodys(make_pool, rendezvous) -> None:
    pool = await make_pool("app.meet", max_environments=1)
    running = begin(pool, {"port": rendezvous.port})
    await rendezvous.next_pid()
    fleet = pool._runners["sample"]
    [environment] = fleet._environments
    stopping = asyncio.create_task(pool.stop())
    with pytest.raises(InvokeRefusedError, match="being stopped"):
        await running
    fleet.on_answer(environment, b"null", failed=False)
    await stopping
    assert pool.stats()["sample"]["errors"] == 0


async def test_stop_while_an_environment_starts(make_pool, rendezvous) -> None:
    pool = await make_pool("hangs_at_import.handler", variables={"sample": {"RENDEZVOUS": str(rendezvous.port)}})
    starting = begin(pool)
    pid = await rendezvous.next_pid()
    assert pool.worker_pids() == {"sample": [pid]}
    await pool.stop()
    with pytest.raises(InvokeRefusedError):
        await starting
    assert gone(pid)


async def test_a_caller_that_gives_up_does_not_stop_the_handler_or_the_queue(make_pool, rendezvous) -> None:
    pool = await make_pool("app.meet", max_environments=1)
    running, waiting, last = (begin(pool, {"port": rendezvous.port, "name": n}) for n in range(3))
    await rendezvous.next_pid()
    running.cancel()
    waiting.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    await rendezvous.release()
    await rendezvous.next_pid()
    await rendezvous.release()
    assert json.loads((await last).payload)["name"] == 2
    assert pool.stats()["sample"]["cold_starts"] == 1


async def test_workers_end_when_the_simulator_is_killed(rendezvous, tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from simulator.functions import FunctionPool\n"
        "from simulator.stack.model import Function\n"
        "async def main():\n"
        "    f = Function('S', 'sample', 'arn', 'app.meet_with_child', 'python3.11', Path(sys.argv[1]), timeout_s=60)\n"
        "    pool = FunctionPool([f], {}, region='r', aws_endpoint_url='http://127.0.0.1:9')\n"
        "    await pool.start()\n"
        "    await pool.invoke('sample', b'{\"port\": %s}' % sys.argv[2].encode())\n"
        "asyncio.run(main())\n"
    )
    simulator = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, str(SAMPLE_CODE), str(rendezvous.port)),
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    readers = [(await asyncio.wait_for(rendezvous.arrived.get(), 20))[1] for _ in range(2)]
    simulator.kill()
    await simulator.wait()
    for reader in readers:
        assert await asyncio.wait_for(reader.read(), 10) == b""
