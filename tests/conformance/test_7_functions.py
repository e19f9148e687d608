"""Section 7 of the contract: invoking functions, by Lambda's own API (F rows)."""

import json

import pytest

from harness.probe import new_run

MAX_RESPONSE_BYTES = 6_291_556


@pytest.fixture
def invoke(target):
    """Call a function of the probe; gives boto3's answer and what the handler returned, decoded."""
    client = target.client("lambda", target.lambda_url)

    def call(*do, function="probe", payload=None, **more):
        event = (
            {"body": json.dumps({"run": more.pop("run", new_run()), "do": list(do)})} if payload is None else payload
        )
        encoded = event if isinstance(event, bytes) else json.dumps(event).encode()
        answer = client.invoke(FunctionName=f"probe-{function}", Payload=encoded, **more)
        returned = answer["Payload"].read()
        return answer, json.loads(returned) if returned else None

    call.exceptions = client.exceptions
    return call


def seen(probe, invoke, *do, **more):
    """Run a program and read what the handler saw."""
    run = new_run()
    invoke(*do, run=run, **more)
    return probe.records.wait(run, "event", 1)[0]


def test_F01_F02_the_context_tells_who_runs_and_for_how_long(probe, invoke):
    context = seen(probe, invoke)["context"]
    assert context["function_name"] == "probe-probe"
    assert context["function_version"] == "$LATEST"
    assert isinstance(context["memory_limit_in_mb"], str)
    assert context["log_group_name"] == "/aws/lambda/probe-probe"
    assert context["log_stream_name"]
    assert context["aws_request_id"]
    assert 0 < context["remaining_ms"] <= 900_000


def test_F03_the_arn_is_the_unqualified_one_of_the_caller(probe, invoke):
    arn = seen(probe, invoke)["context"]["invoked_function_arn"]
    assert arn.startswith("arn:aws:lambda:")
    assert arn.endswith(":function:probe-probe")


def test_F06_module_state_is_kept_between_calls_of_one_environment(probe, invoke):
    run = new_run()
    for _ in range(4):
        invoke(run=run)
    processes = [record["process"] for record in probe.records.wait(run, "event", 4)]
    by_pid = {}
    for process in processes:
        by_pid.setdefault(process["pid"], []).append(process["invocations"])
    assert any(len(counts) > 1 for counts in by_pid.values())
    for counts in by_pid.values():
        assert counts == sorted(set(counts))


def test_F10_a_function_that_takes_too_long_says_so_and_serves_on(invoke):
    answer, error = invoke({"sleep_ms": 5_000}, function="brief")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    answer, returned = invoke(function="brief")
    assert ("FunctionError" in answer, returned) == (False, {"statusCode": 200})


def test_F11_an_exception_is_200_with_an_error_object(invoke):
    answer, error = invoke({"raise": "broken"})
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (error["errorType"], error["errorMessage"]) == ("ProbeError", "broken")
    assert error["requestId"]
    assert all(isinstance(line, str) for line in error["stackTrace"])


def test_F11_a_result_is_200_without_an_error(invoke):
    answer, returned = invoke({"return": {"a": [1, None, "é"]}})
    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer
    assert returned == {"a": [1, None, "é"]}


def test_F12_a_handler_that_exits_says_so(invoke):
    answer, error = invoke({"exit": 0})
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Error: Runtime exited without providing a reason")


def test_F15_a_result_that_is_too_large_is_an_error(invoke):
    answer, error = invoke({"return_length": MAX_RESPONSE_BYTES})
    assert answer["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert f"({MAX_RESPONSE_BYTES} bytes)" in error["errorMessage"]


def test_F16_a_payload_that_is_no_json_is_refused(invoke):
    with pytest.raises(invoke.exceptions.InvalidRequestContentException):
        invoke(payload=b"{")


def test_F16_an_unknown_function_is_refused(invoke):
    with pytest.raises(invoke.exceptions.ResourceNotFoundException):
        invoke(function="nobody")


def test_F16_F19_a_function_without_concurrency_is_refused(invoke):
    with pytest.raises(invoke.exceptions.TooManyRequestsException) as refused:
        invoke(function="blocked")
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_F17_an_event_is_accepted_at_once_and_runs_after_it(probe, invoke):
    run = new_run()
    answer, returned = invoke(run=run, InvocationType="Event")
    assert (answer["StatusCode"], returned) == (202, None)
    assert probe.records.wait(run, "event", 1)


def test_F18_a_synchronous_call_that_fails_is_not_repeated(probe, invoke):
    run = new_run()
    invoke({"raise": "broken"}, run=run)
    invoke(run=run)
    assert len(probe.records.wait(run, "event", 2)) == 2


def test_F21_the_event_is_plain_json_as_it_was_sent(probe, invoke):
    run = new_run()
    body = json.dumps({"run": run})
    invoke(payload={"body": body, "numbers": [1, 2.5, -3], "nothing": None, "text": "é🌮", "yes": True})
    event = probe.records.wait(run, "event", 1)[0]["event"]
    assert event == {"body": body, "numbers": [1, 2.5, -3], "nothing": None, "text": "é🌮", "yes": True}
