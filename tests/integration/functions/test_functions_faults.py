"""Faults of functions on real worker processes."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simulator.active_faults import ActiveFault
from simulator.errors import InputError
from simulator.functions import FunctionPool, runtime_client_installed
from simulator.functions.settings import FunctionSettings
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Function

needs_worker_processes = pytest.mark.skipif(not runtime_client_installed(), reason="awslambdaric is not installed here")


def fault(kind: str, **attributes: Any) -> ActiveFault:
    return ActiveFault(kind, Random(1), attributes=attributes)


def sample(handler: str, **overrides: Any) -> Function:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:sample"
    code_dir = Path(__file__).with_name("sample_code")
    return Function("Sample", "sample", arn, handler, "python3.11", code_dir=code_dir, **overrides)


async def call(pool: FunctionPool, event: Any = None) -> InvocationResult:
    return await pool.invoke("sample", json.dumps(event).encode())


async def pid_of(pool: FunctionPool) -> int:
    return int(json.loads((await call(pool)).payload)["pid"])


@needs_worker_processes
async def test_F12_a_killed_function_is_an_error_and_the_next_one_starts_afresh(make_pool, rendezvous) -> None:
    pool = await make_pool("app.meet")
    await pool.faults.begin("f1", fault("function_kill", after_ms=1))
    result = await call(pool, {"port": rendezvous.port})
    assert json.loads(result.payload)["errorType"] == "Runtime.ExitError"
    assert "signal: killed" in json.loads(result.payload)["errorMessage"]
    await pool.faults.end("f1")
    assert pool.stats()["sample"]["errors"] == 1


@needs_worker_processes
async def test_F10_a_function_that_stops_getting_on_times_out(make_pool) -> None:
    pool = await make_pool(sample("app.takes_a_moment", timeout_s=1))
    before = await pid_of(pool)
    await pool.faults.begin("f1", fault("function_timeout", after_ms=1))
    result = await call(pool)
    assert json.loads(result.payload)["errorType"] == "Sandbox.Timedout"
    await pool.faults.end("f1")
    assert await pid_of(pool) != before


@needs_worker_processes
async def test_invocations_start_cold_while_the_fault_is_on_and_warm_again_after_it(make_pool) -> None:
    pool = await make_pool("app.count")
    warm = await pid_of(pool)
    assert await pid_of(pool) == warm
    await pool.faults.begin("f1", fault("function_cold_start"))
    cold = [await pid_of(pool) for _ in range(2)]
    assert len({warm, *cold}) == 3
    await pool.faults.end("f1")
    assert await pid_of(pool) == cold[-1]
    assert pool.stats()["sample"]["errors"] == 0


async def test_F16_a_throttled_function_is_refused_only_while_the_fault_is_on(make_pool, in_process) -> None:
    pool = await make_pool("app.count", in_process=in_process)
    await pool.faults.begin("f1", fault("function_throttle"))
    with pytest.raises(InvokeRefusedError) as refused:
        await call(pool)
    assert refused.value.status == 429
    await pool.faults.end("f1")
    assert (await call(pool)).function_error is None
    assert pool.stats()["sample"]["throttled"] == 1


@pytest.mark.parametrize("kind", ["function_kill", "function_timeout", "function_cold_start"])
async def test_what_needs_a_process_is_refused_in_process(make_pool, kind: str) -> None:
    pool = await make_pool("app.count", in_process=True)
    with pytest.raises(InputError, match="needs worker processes"):
        await pool.faults.begin("f1", fault(kind, after_ms=1))


@needs_worker_processes
async def test_nothing_is_stopped_where_nobody_would_end_the_stopped(make_pool) -> None:
    pool = await make_pool("app.count", settings=FunctionSettings(freeze=False))
    with pytest.raises(InputError, match=r"leave out --set functions\.freeze=no"):
        await pool.faults.begin("f1", fault("function_timeout", after_ms=1))
