"""Lambda's Invoke API as boto3 sees it, in both modes."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import pytest

from simulator.functions import FunctionPool
from simulator.functions.settings import FunctionSettings
from simulator.stack.model import Asynchronous, Destination, Function

SAMPLE_CODE = Path(__file__).with_name("sample_code")
ACCOUNT = "arn:aws:lambda:eu-west-1:123456789012:function"
FAST = FunctionSettings(async_speed=1_000)
LIMIT_S = 20


def sample(handler: str, *, name: str = "sample", **overrides: Any) -> Function:
    settings: dict[str, Any] = {"code_dir": SAMPLE_CODE, "timeout_s": 20, "arn": f"{ACCOUNT}:{name}"}
    return Function(logical_id=name, name=name, handler=handler, runtime="python3.11", **(settings | overrides))


def client(pool: FunctionPool) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=pool.lambda_url,
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=botocore.config.Config(retries={"total_max_attempts": 1}, proxies={}),
    )


async def invoke(pool: FunctionPool, payload: Any = None, *, name: str = "sample", **options: Any) -> dict[str, Any]:
    """The answer of boto3, its payload read."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()

    def call() -> dict[str, Any]:
        answer = client(pool).invoke(FunctionName=name, Payload=body, **options)
        return {**answer, "Payload": answer["Payload"].read()}

    return await asyncio.to_thread(call)


class Mailbox:
    """Queues that keep what is sent to them."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[tuple[str, Any, Mapping[str, Mapping[str, str]]]] = asyncio.Queue()

    async def send(self, queue: str, body: str, attributes: Mapping[str, Mapping[str, str]]) -> None:
        await self.sent.put((queue, json.loads(body), attributes))

    async def next(self) -> tuple[str, Any, Mapping[str, Mapping[str, str]]]:
        return await asyncio.wait_for(self.sent.get(), LIMIT_S)


@pytest.fixture
async def lines():
    """A port to which handlers send a line, and the lines."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    met = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(writer)
        heard.put_nowait((await reader.readline()).decode().strip())
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], heard
    server.close()
    for writer in met:
        writer.transport.abort()
    await server.wait_closed()


async def test_F11_F16_synchronous_call(make_pool, in_process: bool) -> None:
    pool = await make_pool(sample("app.echo"), in_process=in_process)
    answer = await invoke(pool, {"é": 1})
    assert json.loads(answer["Payload"]) == {"é": 1}
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert not {"FunctionError", "LogResult"} & set(answer)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/json"


async def test_no_payload_is_an_empty_object(make_pool, in_process: bool) -> None:
    pool = await make_pool(sample("app.echo"), in_process=in_process)
    assert (await invoke(pool, b""))["Payload"] == b"{}"


async def test_F11_a_handler_that_raises_is_200_with_an_error(make_pool, in_process: bool) -> None:
    pool = await make_pool(sample("app.fail"), in_process=in_process)
    answer = await invoke(pool, {"message": "no such vendor"})
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    error = json.loads(answer["Payload"])
    assert (error["errorMessage"], error["errorType"]) == ("no such vendor", "ValueError")
    assert error["requestId"] == answer["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize(
    ("name", "options", "arn"),
    [
        ("sample", {}, f"{ACCOUNT}:sample"),
        ("sample", {"Qualifier": "$LATEST"}, f"{ACCOUNT}:sample:$LATEST"),
        (f"{ACCOUNT}:sample:$LATEST", {}, f"{ACCOUNT}:sample:$LATEST"),
    ],
)
async def test_F03_the_arn_is_the_callers(
    make_pool, in_process: bool, name: str, options: dict[str, Any], arn: str
) -> None:
    pool = await make_pool(sample("app.arn"), in_process=in_process)
    assert json.loads((await invoke(pool, name=name, **options))["Payload"]) == arn


async def test_F02_client_context_reaches_the_handler(make_pool, in_process: bool) -> None:
    pool = await make_pool(sample("app.client_facts"), in_process=in_process)
    facts = {"custom": {"truck": "é🚚"}, "env": {"locale": "eu"}, "client": {"app_title": "map"}}
    context = base64.b64encode(json.dumps(facts).encode()).decode()
    answer = await invoke(pool, ClientContext=context)
    assert json.loads(answer["Payload"]) == [{"truck": "é🚚"}, {"locale": "eu"}, "map"]
    assert json.loads((await invoke(pool))["Payload"]) is None


@pytest.mark.parametrize(
    ("name", "payload", "options", "error", "status"),
    [
        pytest.param("absent", {}, {}, "ResourceNotFoundException", 404, id="unknown function"),
        pytest.param("sample", {}, {"Qualifier": "7"}, "ResourceNotFoundException", 404, id="unknown version"),
        pytest.param("sample", b"{no", {}, "InvalidRequestContentException", 400, id="no JSON"),
        pytest.param(
            "sample", b"{no", {"InvocationType": "Event"}, "InvalidRequestContentException", 400, id="event no JSON"
        ),
        pytest.param("sample", b'"%s"' % (b"x" * 6_291_456), {}, "RequestTooLargeException", 413, id="over 6 MB"),
        pytest.param(
            "sample",
            b'"%s"' % (b"x" * 1_048_576),
            {"InvocationType": "Event"},
            "RequestTooLargeException",
            413,
            id="event over 1 MB",
        ),
        pytest.param("blocked", {}, {}, "TooManyRequestsException", 429, id="no concurrency"),
    ],
)
async def test_F15_F16_refusals_are_the_exceptions_of_boto3(
    make_pool, in_process: bool, name: str, payload: Any, options: dict[str, Any], error: str, status: int
) -> None:
    pool = await make_pool(
        sample("app.echo"), sample("app.echo", name="blocked", reserved_concurrency=0), in_process=in_process
    )
    with pytest.raises(getattr(client(pool).exceptions, error).__mro__[1]) as raised:
        await invoke(pool, payload, name=name, **options)
    assert type(raised.value).__name__ == error
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert raised.value.response["Error"]["Message"]


async def test_F16_a_throttled_call_says_which_limit_it_was(make_pool, in_process: bool) -> None:
    pool = await make_pool(sample("app.echo", reserved_concurrency=0), in_process=in_process)
    with pytest.raises(Exception, match=r"Rate Exceeded\.") as raised:
        await invoke(pool)
    assert raised.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"  # type: ignore[attr-defined]


async def test_dry_run_runs_nothing(make_pool, in_process: bool) -> None:
    pool = await make_pool(sample("app.echo"), in_process=in_process)
    assert (await invoke(pool, {}, InvocationType="DryRun"))["StatusCode"] == 204
    assert pool.stats()["sample"]["invocations"] == 0


# -- the log -----------------------------------------------------------------------------------------------------------


async def log_of(pool: FunctionPool, payload: Any = None) -> tuple[dict[str, Any], list[str]]:
    answer = await invoke(pool, payload, LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    return answer, log.replace(answer["ResponseMetadata"]["RequestId"], "<id>").splitlines()


async def test_F20_log_of_one_call(make_pool, in_process: bool) -> None:
    pool = await make_pool(sample("app.output", memory_mb=256), in_process=in_process)
    for init in (r"\tInit Duration: [\d.]+ ms", ""):
        _, log = await log_of(pool)
        printed = ["to stdout é", *([] if in_process else ["to stderr"]), r"escape \x1b[2J"]
        assert log[:-1] == ["START RequestId: <id> Version: $LATEST", *printed, "END RequestId: <id>"]
        memory = "" if in_process else r"\tMax Memory Used: \d+ MB"
        assert re.fullmatch(
            rf"REPORT RequestId: <id>\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB{memory}{init}",
            log[-1],
        )


async def test_F20_an_error_is_logged_with_its_traceback(make_pool, in_process: bool) -> None:
    pool = await make_pool(sample("app.fail"), in_process=in_process)
    _, log = await log_of(pool, {"message": "no"})
    assert log[1:3] == ["[ERROR] ValueError: no", "Traceback (most recent call last):"]
    assert log[-2] == "END RequestId: <id>"


async def test_F20_a_time_out_says_so(make_pool, rendezvous, in_process: bool) -> None:
    pool = await make_pool(sample("app.meet", timeout_s=1), in_process=in_process)
    _, log = await log_of(pool, {"port": rendezvous.port})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z <id> Task timed out after 1\.00 seconds", log[-3])
    assert log[-1].endswith("\tStatus: timeout")
    await rendezvous.release()


async def test_F20_frames_are_in_the_output_where_they_are_wanted(make_pool, in_process: bool) -> None:
    heard: list[str] = []
    pool = await make_pool(
        sample("app.echo"),
        in_process=in_process,
        settings=FunctionSettings(log_frames=True),
        on_log=lambda _function, _environment, line: heard.append(line),
    )
    result = await pool.invoke("sample", b"{}")
    await pool.stop()
    assert [line.split()[0] for line in heard] == ["START", "END", "REPORT"]
    assert all(result.request_id in line for line in heard)


async def test_F20_by_default_the_output_is_the_handlers_own(make_pool, in_process: bool) -> None:
    heard: list[str] = []
    pool = await make_pool(sample("app.echo"), in_process=in_process, on_log=lambda _f, _e, line: heard.append(line))
    await pool.invoke("sample", b"{}")
    await pool.stop()
    assert heard == []


# -- asynchronous ------------------------------------------------------------------------------------------------------


async def test_F17_an_event_is_accepted_before_it_has_run(make_pool, rendezvous, in_process: bool) -> None:
    pool = await make_pool(sample("app.meet"), in_process=in_process)
    answer = await invoke(pool, {"port": rendezvous.port}, InvocationType="Event")
    assert (answer["StatusCode"], answer["Payload"]) == (202, b"")
    assert "ExecutedVersion" not in answer
    await rendezvous.next_pid()


async def test_F17_a_failing_event_is_tried_three_times_under_one_id_and_ends_in_the_dead_letter_queue(
    make_pool, lines, in_process: bool
) -> None:
    port, heard = lines
    mailbox = Mailbox()
    settings = Asynchronous(dead_letter_queue="dead", on_failure=Destination("queue", "failures"))
    pool = await make_pool(
        sample("app.fails_until", asynchronous=settings),
        in_process=in_process,
        settings=FAST,
        send_to_queue=mailbox.send,
    )
    event = {"port": port, "times": 9}
    answer = await invoke(pool, event, InvocationType="Event")
    request_id = answer["ResponseMetadata"]["RequestId"]
    for number in (1, 2, 3):
        assert await asyncio.wait_for(heard.get(), LIMIT_S) == f"{number} {request_id}"
    queue, record, _ = await mailbox.next()
    assert queue == "failures"
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": f"{ACCOUNT}:sample:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert (record["requestPayload"], record["responsePayload"]["errorMessage"]) == (event, "try 3")
    queue, body, attributes = await mailbox.next()
    assert (queue, body) == ("dead", event)
    assert attributes["RequestID"]["StringValue"] == request_id
    assert attributes["ErrorMessage"]["StringValue"] == "try 3"


async def test_F17_a_retry_that_succeeds_is_a_success(make_pool, lines, in_process: bool) -> None:
    port, _ = lines
    mailbox = Mailbox()
    settings = Asynchronous(on_success=Destination("queue", "successes"))
    pool = await make_pool(
        sample("app.fails_until", asynchronous=settings),
        in_process=in_process,
        settings=FAST,
        send_to_queue=mailbox.send,
    )
    await invoke(pool, {"port": port, "times": 1}, InvocationType="Event")
    queue, record, _ = await mailbox.next()
    assert queue == "successes"
    assert (record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]) == ("Success", 2)
    assert record["responsePayload"] == {"calls": 2}


async def test_F17_a_throttled_event_waits_for_its_place(make_pool, rendezvous, in_process: bool) -> None:
    pool = await make_pool(
        sample("app.meet", reserved_concurrency=1), in_process=in_process, settings=FunctionSettings(async_speed=100)
    )
    running = asyncio.create_task(pool.invoke("sample", json.dumps({"port": rendezvous.port}).encode()))
    await rendezvous.next_pid()
    answer = await invoke(pool, {"port": rendezvous.port}, InvocationType="Event")
    assert answer["StatusCode"] == 202
    await rendezvous.release()
    await running
    await rendezvous.next_pid()
    assert pool.stats()["sample"]["throttled"] >= 1


async def test_F19_an_event_of_a_blocked_function_goes_straight_to_its_dead_letter_queue(
    make_pool, in_process: bool
) -> None:
    mailbox = Mailbox()
    blocked = sample("app.echo", reserved_concurrency=0, asynchronous=Asynchronous(dead_letter_queue="dead"))
    pool = await make_pool(blocked, in_process=in_process, send_to_queue=mailbox.send)
    await invoke(pool, {"n": 1}, InvocationType="Event")
    queue, body, attributes = await mailbox.next()
    assert (queue, body, attributes["ErrorCode"]["StringValue"]) == ("dead", {"n": 1}, "429")


async def test_F17_another_function_can_be_the_destination(make_pool, rendezvous, in_process: bool) -> None:
    settings = Asynchronous(on_success=Destination("function", "after"))
    pool = await make_pool(
        sample("app.echo", name="first", asynchronous=settings),
        sample("app.tell_payload", name="after"),
        in_process=in_process,
        variables={"after": {"RENDEZVOUS": str(rendezvous.port)}},
    )
    await invoke(pool, {}, name="first", InvocationType="Event")
    await rendezvous.next_pid()


async def test_F17_an_event_that_nobody_wants_is_named_in_the_log(
    make_pool, in_process: bool, caplog: pytest.LogCaptureFixture
) -> None:
    pool = await make_pool(sample("app.fail"), in_process=in_process, settings=FAST)
    answer = await invoke(pool, {}, InvocationType="Event")
    request_id = answer["ResponseMetadata"]["RequestId"]
    async with asyncio.timeout(LIMIT_S):
        while "is dropped" not in caplog.text:  # noqa: ASYNC110  a log has no event to wait for
            await asyncio.sleep(0.01)
    assert f"function sample is dropped (requestId={request_id}, RetriesExhausted)" in caplog.text


async def test_F17_events_that_wait_are_dropped_with_the_stack_and_counted(
    make_pool, in_process: bool, caplog: pytest.LogCaptureFixture
) -> None:
    pool = await make_pool(sample("app.fail"), in_process=in_process)
    for _ in range(2):
        pool.invoke_later("sample", b"{}")
    await pool.stop()
    assert "2 asynchronous events had not come to their end and are dropped." in caplog.text


@pytest.mark.parametrize("kind", ["Event", "RequestResponse"])
async def test_a_handler_invokes_another_function_without_any_settings(
    make_pool, rendezvous, in_process: bool, kind: str
) -> None:
    if in_process and kind == "RequestResponse":
        pytest.skip("one handler runs at a time in process: waiting for another ends by the time-out")
    pool = await make_pool(sample("app.invokes"), sample("app.meet", name="other"), in_process=in_process)
    event = {"name": "other", "type": kind, "payload": {"port": rendezvous.port, "name": "n"}}
    outer = asyncio.create_task(pool.invoke("sample", json.dumps(event).encode()))
    pid = await rendezvous.next_pid()
    await rendezvous.release()
    answer = json.loads((await outer).payload)
    expected = (202, "") if kind == "Event" else (200, json.dumps({"pid": pid, "name": "n"}))
    assert (answer["status"], answer["payload"]) == expected


async def test_F08_temporary_files_survive_between_calls(make_pool, in_process: bool, tmp_path: Path) -> None:
    pool = await make_pool(sample("app.keeps_a_file"), in_process=in_process)
    name = f"{tmp_path.name}-{in_process}"
    first, second = [
        json.loads((await invoke(pool, {"name": f"{tmp_path}/{name}", "text": text}))["Payload"]) for text in ("a", "b")
    ]
    assert (first, second) == (None, "a")


async def test_stop_answers_a_call_that_still_runs(make_pool, rendezvous, in_process: bool) -> None:
    pool = await make_pool(sample("app.meet"), in_process=in_process)
    running = asyncio.create_task(invoke(pool, {"port": rendezvous.port}))
    await rendezvous.next_pid()
    await pool.stop()
    with pytest.raises(Exception, match="being stopped"):
        await running
