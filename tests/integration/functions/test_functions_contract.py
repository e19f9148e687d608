"""The rows of the Lambda contract, in both modes."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from simulator.functions import FunctionPool
from simulator.functions.settings import FunctionSettings
from simulator.invocation import InvocationResult, InvokeRefusedError
from simulator.stack.model import Function

SAMPLE_CODE = Path(__file__).with_name("sample_code")


def sample(handler: str, **overrides: Any) -> Function:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:sample"
    settings: dict[str, Any] = {"name": "sample", "code_dir": SAMPLE_CODE, "timeout_s": 20}
    return Function(logical_id="Sample", arn=arn, handler=handler, runtime="python3.11", **(settings | overrides))


async def call(pool: FunctionPool, event: Any = None, name: str = "sample", origin: str = "") -> InvocationResult:
    return await pool.invoke(name, json.dumps(event).encode(), origin=origin)


async def value(pool: FunctionPool, event: Any = None) -> Any:
    result = await call(pool, event)
    assert result.function_error is None, result.payload
    return json.loads(result.payload)


async def error(pool: FunctionPool, event: Any = None) -> dict[str, Any]:
    result = await call(pool, event)
    assert result.function_error == "Unhandled"
    payload: dict[str, Any] = json.loads(result.payload)
    return {name: v.replace(result.request_id, "<id>") if isinstance(v, str) else v for name, v in payload.items()}


async def test_F01_F02_F03_context(make_pool, in_process: bool) -> None:
    pool = await make_pool("app.describe_context", in_process=in_process)
    result = await call(pool)
    context = json.loads(result.payload)
    assert context["attributes"] == {
        "function_name": "sample",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:eu-west-1:123456789012:function:sample",
        "memory_limit_in_mb": "128",
        "aws_request_id": result.request_id,
        "log_group_name": "/aws/lambda/sample",
        "client_context": None,
        "tenant_id": None,
    }
    assert context["identity"] == [None, None]
    assert re.search(r"\[\$LATEST\][0-9a-f]{32}$", context["log_stream_name"])
    assert 0 < context["remaining_ms"] <= 20_000


async def test_F04_handler_sees_its_variables_and_not_the_developers(
    make_pool, in_process: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "dev")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    pool = await make_pool("app.environment", variables={"sample": {"TABLE": "t"}}, in_process=in_process)
    seen = await value(pool)
    assert "AWS_PROFILE" not in seen
    assert {
        "AWS_ACCESS_KEY_ID": "AKIDSIMULATED0000000",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-1",
        "TABLE": "t",
        "_HANDLER": "app.environment",
    }.items() <= seen.items()


async def test_F06_module_state_is_kept_between_calls(make_pool, in_process: bool) -> None:
    pool = await make_pool("app.count", in_process=in_process)
    assert [(await value(pool))["calls"] for _ in range(3)] == [1, 2, 3]
    assert pool.stats()["sample"]["cold_starts"] == 1


async def test_F06_functions_do_not_share_module_state(make_pool, in_process: bool) -> None:
    functions = [sample("app.count", name=name) for name in ("one", "two")]
    pool = await make_pool(*functions, in_process=in_process)
    results = [json.loads((await call(pool, name=name)).payload)["calls"] for name in ("one", "two", "one")]
    assert results == [1, 1, 2]


async def test_F10_timeout_answers_and_the_next_call_imports_again(make_pool, rendezvous, in_process: bool) -> None:
    pool = await make_pool(
        sample("app.meet", timeout_s=1), sample("app.count", name="other", timeout_s=1), in_process=in_process
    )
    assert await error(pool, {"port": rendezvous.port}) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: <id> Error: Task timed out after 1.00 seconds",
    }
    await rendezvous.release()
    rendezvous.writers.clear()
    assert pool.stats()["sample"]["timeouts"] == 1
    assert json.loads((await call(pool, name="other")).payload)["calls"] == 1
    await error(pool, {"port": rendezvous.port})
    assert pool.stats()["sample"]["cold_starts"] == 2


async def test_F11_exception(make_pool, in_process: bool) -> None:
    pool = await make_pool("app.fail", in_process=in_process)
    raised = await error(pool, {"message": "no such vendor"})
    trace = raised.pop("stackTrace")
    assert raised == {"errorMessage": "no such vendor", "errorType": "ValueError", "requestId": "<id>"}
    assert len(trace) == 1
    assert re.fullmatch(r'  File ".*/sample_code/app\.py", line \d+, in fail\n    raise ValueError\(.*\)\n', trace[0])


async def test_F11_environment_serves_on_after_an_exception(make_pool, in_process: bool) -> None:
    pool = await make_pool("app.fail", in_process=in_process)
    await error(pool, {})
    await error(pool, {})
    assert pool.stats()["sample"] | {"cold_start_ms": {}, "pids": []} == {
        "invocations": 2,
        "errors": 2,
        "timeouts": 0,
        "throttled": 0,
        "cold_starts": 1,
        "cold_start_ms": {},
        "environments": 1,
        "pids": [],
    }


async def test_F11_deep_traceback_gets_through(make_pool, in_process: bool) -> None:
    assert (await error(await make_pool("app.recurse", in_process=in_process)))["errorType"] == "RecursionError"


@pytest.mark.parametrize(
    ("code", "reason"),
    [(None, "Runtime exited without providing a reason"), (3, "Runtime exited with error: exit status 3")],
)
async def test_F12_sys_exit(make_pool, in_process: bool, code: int | None, reason: str) -> None:
    pool = await make_pool("app.exits", in_process=in_process)
    expected = {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: <id> Error: {reason}"}
    assert await error(pool, {"code": code}) == expected
    assert await error(pool, {"code": code}) == expected
    assert pool.stats()["sample"]["cold_starts"] == 2


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        pytest.param(
            "nowhere.go",
            "Runtime.ImportModuleError",
            "Unable to import module 'nowhere': No module named 'nowhere'",
            id="module missing",
        ),
        pytest.param(
            "app.nothing", "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'app'", id="name missing"
        ),
        pytest.param(
            "app",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
            id="no dot",
        ),
        pytest.param("raises_at_import.go", "RuntimeError", "the table is not configured", id="raises"),
        pytest.param(
            "sys.exit",
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module sys as a handler module",
            id="built-in",
        ),
    ],
)
async def test_F13_F09_handler_that_cannot_be_loaded(
    make_pool, in_process: bool, caplog: pytest.LogCaptureFixture, handler: str, error_type: str, message: str
) -> None:
    pool = await make_pool(handler, in_process=in_process)
    for _ in range(3):
        failed = await error(pool)
        assert (failed["errorType"], failed["errorMessage"], failed["requestId"]) == (error_type, message, "")
    assert (
        f"Function sample cannot be loaded (handler {handler} in {SAMPLE_CODE}): {error_type}: {message}. "
        "Correct the code; the next invocation loads it again."
    ) in caplog.messages
    assert pool.stats()["sample"]["errors"] == 3


async def test_F13_syntax_error(make_pool, in_process: bool, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def handler(:\n")
    pool = await make_pool(sample("broken.handler", code_dir=tmp_path), in_process=in_process)
    failed = await error(pool)
    assert failed["errorType"] == "Runtime.UserCodeSyntaxError"
    assert failed["errorMessage"].startswith("Syntax error in module 'broken': invalid syntax (broken.py, line 1)")
    assert failed["stackTrace"] == [f'  File "{tmp_path}/broken.py" Line 1\n    def handler(:\n']


async def test_F13_handler_in_a_folder_with_slashes(make_pool, in_process: bool, tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "mod.py").write_text("def go(event, context):\n    return __name__\n")
    pool = await make_pool(sample("pkg/mod.go", code_dir=tmp_path), in_process=in_process)
    assert await value(pool) == "pkg.mod"


async def test_F13_result_that_is_not_json(make_pool, in_process: bool) -> None:
    failed = await error(await make_pool("app.unserialisable", in_process=in_process))
    assert failed["errorType"] == "Runtime.MarshalError"
    assert failed["errorMessage"].startswith("Unable to marshal response: ")
    assert failed["requestId"] == "<id>"


@pytest.mark.parametrize(
    ("handler", "payload"), [("app.decimal_result", b'{"n": 1.50}'), ("app.raw_bytes", b'{"raw": true}')]
)
async def test_F14_result_encoding(make_pool, in_process: bool, handler: str, payload: bytes) -> None:
    pool = await make_pool(handler, in_process=in_process)
    assert (await call(pool)).payload == payload


@pytest.mark.parametrize("event", [None, 5, "text é🚚", [1, {"a": None}], {"deep": {"er": [True, 1.5]}}, {}])
async def test_F21_events_make_the_round_trip(make_pool, in_process: bool, event: Any) -> None:
    assert await value(await make_pool("app.echo", in_process=in_process), event) == event


@pytest.mark.parametrize(("size", "refused"), [(6_291_554, False), (6_291_555, True), (12_000_000, True)])
async def test_F15_response_limit(make_pool, in_process: bool, size: int, refused: bool) -> None:
    pool = await make_pool("app.large", in_process=in_process)
    result = await call(pool, {"size": size})
    if refused:
        assert json.loads(result.payload)["errorType"] == "Function.ResponseSizeTooLarge"
        assert f"({size + 2} bytes) exceeded" in json.loads(result.payload)["errorMessage"]
    assert (result.function_error is not None) == refused


@pytest.mark.parametrize(
    ("name", "payload", "status", "error_type"),
    [
        pytest.param("absent", b"{}", 404, "ResourceNotFoundException", id="unknown function"),
        pytest.param("sample", b"{not json", 400, "InvalidRequestContentException", id="not JSON"),
        pytest.param("sample", b'"' + b"x" * 6_291_456 + b'"', 413, "RequestTooLargeException", id="over 6 MB"),
        pytest.param("blocked", b"{}", 429, "TooManyRequestsException", id="no concurrency"),
    ],
)
async def test_F16_refused_calls(
    make_pool, in_process: bool, name: str, payload: bytes, status: int, error_type: str
) -> None:
    pool = await make_pool(
        "app.echo", sample("app.echo", name="blocked", reserved_concurrency=0), in_process=in_process
    )
    with pytest.raises(InvokeRefusedError) as refused:
        await pool.invoke(name, payload)
    assert (refused.value.status, refused.value.error_type) == (status, error_type)


async def test_F19_account_concurrency_is_shared_and_given_back(make_pool, rendezvous, in_process: bool) -> None:
    pool = await make_pool(
        sample("app.meet", name="one"),
        sample("app.fail", name="two"),
        in_process=in_process,
        settings=FunctionSettings(account_concurrency=1),
    )
    running = asyncio.create_task(call(pool, {"port": rendezvous.port}, name="one"))
    await rendezvous.next_pid()
    with pytest.raises(InvokeRefusedError) as refused:
        await call(pool, {}, name="two")
    assert refused.value.reason == "ConcurrentInvocationLimitExceeded"
    await rendezvous.release()
    assert (await running).function_error is None
    for _ in range(2):
        assert (await call(pool, {}, name="two")).function_error == "Unhandled"
    assert pool.stats()["two"]["throttled"] == 1


async def test_a_failure_is_one_log_entry_with_origin_and_traceback(
    make_pool, in_process: bool, caplog: pytest.LogCaptureFixture
) -> None:
    pool = await make_pool("app.fail", in_process=in_process)
    result = await call(pool, {"message": "bad\n\x1b[31mERROR forged"}, origin="route=$connect connectionId=abc=")
    [record] = [r for r in caplog.records if r.name == "simulator.functions"]
    assert record.levelno == logging.ERROR
    head, *trace = record.getMessage().split("\n")
    assert head == (
        f"function=sample requestId={result.request_id} route=$connect connectionId=abc= "
        r"ValueError: bad\n\x1b[31mERROR forged"
    )
    assert "app.py" in trace[0]
