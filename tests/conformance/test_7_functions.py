"""Section 7 of the contract: how functions are invoked, what they see, and what becomes of what they leave behind."""

import base64
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness.probe import new_run

ONE_AT_A_TIME = "one handler runs at a time"
SAME_PROCESS = "the handler's process is the simulator's"


@pytest.fixture
def aside():
    """Runs things beside the test."""
    with ThreadPoolExecutor() as pool:
        yield pool


def held(probe, aside, function="direct"):
    """An invocation that goes on until `let_go()` is called; returned once its handler runs."""
    run, go_on = new_run(), new_run()
    event = {"run": run, "do": [{"wait_for": go_on}, {"tell": "state"}]}
    running = aside.submit(probe.invoke, function, event)
    probe.records.wait(run)

    def let_go():
        probe.records.put(go_on)
        return running.result(probe.target.patience_s)

    return let_go


def refusal(probe, function="direct", event=None, **options):
    """The error of an Invoke that is turned down."""
    with pytest.raises(ClientError) as raised:
        probe.invoke(function, event, **options)
    return raised.value


# -- what a handler sees -----------------------------------------------------------------------------------------------


def test_F01_F02_the_whole_context(probe):
    invoked = probe.invoke("direct", {"do": [{"tell": "context"}]})
    context = invoked.value
    name = probe.target.function_name("direct")
    assert re.fullmatch(r".*\[\$LATEST\][0-9a-f]{32}", context.pop("log_stream_name"))
    assert 0 < context.pop("remaining_ms") <= 10_000
    assert re.fullmatch(
        rf"arn:aws:lambda:{probe.target.region}:\d{{12}}:function:{name}", context["invoked_function_arn"]
    )
    del context["invoked_function_arn"]
    assert context == {
        "function_name": name,
        "function_version": "$LATEST",
        "memory_limit_in_mb": "512",
        "aws_request_id": invoked.request_id,
        "log_group_name": f"/aws/lambda/{name}",
        "remaining_is_int": True,
        "identity": [None, None],
        "client_context": None,
        "tenant_id": None,
        "log": True,
    }


def test_F02_client_context_is_there_when_the_caller_gives_one(probe):
    facts = {"custom": {"truck": "é🚚"}, "env": {"locale": "eu"}, "client": {"app_title": "map"}}
    given = base64.b64encode(json.dumps(facts).encode()).decode()
    context = probe.do({"tell": "context"}, ClientContext=given)
    assert context["client_context"] == {"custom": {"truck": "é🚚"}, "env": {"locale": "eu"}, "title": "map"}


def test_F03_the_arn_is_qualified_as_the_caller_wrote_it(probe):
    arn = probe.do({"tell": "context"})["invoked_function_arn"]
    assert arn.endswith(":" + probe.target.function_name("direct"))
    qualified = probe.do({"tell": "context"}, Qualifier="$LATEST")
    assert (qualified["invoked_function_arn"], qualified["function_version"]) == (f"{arn}:$LATEST", "$LATEST")


def test_F04_every_variable_of_lambda_is_there(probe):
    seen = probe.do({"tell": "environment"})
    name = probe.target.function_name("direct")
    assert {
        "_HANDLER": "direct.handler",
        "AWS_REGION": probe.target.region,
        "AWS_DEFAULT_REGION": probe.target.region,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
    }.items() <= seen.items()
    others = {
        *("_X_AMZN_TRACE_ID", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_ACCESS_KEY_ID"),
        *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "PATH"),
        *("PYTHONPATH", "LD_LIBRARY_PATH", "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS"),
    }
    assert {each for each in others if not seen.get(each)} == set()
    assert seen["_X_AMZN_TRACE_ID"].startswith("Root=1-")


def test_F05_a_name_that_only_begins_like_a_reserved_one_may_be_set(probe):
    assert probe.do({"tell": "environment"})["AWS_PROBE"].startswith("names that begin with AWS_")


@pytest.mark.local_lever("deploys a template that is refused")
@pytest.mark.parametrize("name", ["AWS_REGION", "_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "AWS_SESSION_TOKEN"])
def test_F05_a_reserved_name_is_refused(tmp_path, name):
    refused = deploy(tmp_path, {name: "mine"})
    assert refused.returncode == 2
    assert f"Environment.Variables.{name}: is set by Lambda itself and cannot be given" in refused.stderr


@pytest.mark.local_lever("deploys a template that is refused")
def test_F05_more_than_four_kilobytes_of_variables_are_refused(tmp_path):
    refused = deploy(tmp_path, {"A": "x" * 4_096})
    assert refused.returncode == 2
    assert "take 4097 bytes and Lambda allows 4096" in refused.stderr


def deploy(folder, variables):
    """`tracker-sim up` of a function with these variables, which must end by itself."""
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Handler": "app.handler",
            "Runtime": "python3.13",
            "Code": ".",
            "Environment": {"Variables": variables},
        },
    }
    template = folder / "template.json"
    template.write_text(json.dumps({"Resources": {"F": function}}))
    return subprocess.run(
        [sys.executable, "-P", "-m", "simulator", "up", "--json", "--template", str(template)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_F21_an_event_is_plain_decoded_json(probe):
    event = {"o": {}, "a": [], "s": "é", "i": 1, "f": 1.5, "t": True, "n": None, "do": [{"tell": "event types"}]}
    assert probe.invoke("direct", event).value == {
        "o": "builtins.dict",
        "a": "builtins.list",
        "s": "builtins.str",
        "i": "builtins.int",
        "f": "builtins.float",
        "t": "builtins.bool",
        "n": "builtins.NoneType",
        "do": "builtins.list",
    }


def test_F21_an_event_arrives_as_it_was_sent(probe):
    run = new_run()
    event = {"run": run, "numbers": [1, 2.5, -3], "nothing": None, "text": "é🌮", "yes": True, "do": []}
    probe.invoke("direct", event)
    (seen,) = probe.records.wait(run)
    assert seen["event"] == event


def test_F21_what_a_handler_does_to_its_event_is_not_seen_by_the_next_one(probe):
    event = {"s": "kept", "do": [{"change_event": True}]}
    for _ in range(2):
        assert probe.invoke("direct", event).value is None
    assert probe.invoke("direct", {**event, "do": [{"tell": "event types"}]}).value["s"] == "builtins.str"


# -- environments ------------------------------------------------------------------------------------------------------


def test_F06_module_state_is_kept_between_calls(probe):
    first = probe.do({"tell": "state"}, function="direct-brief")
    second = probe.do({"tell": "state"}, function="direct-brief")
    assert second == {"environment": first["environment"], "invocations": first["invocations"] + 1}


@pytest.mark.not_in_process(ONE_AT_A_TIME)
def test_F06_events_at_the_same_time_have_environments_of_their_own(probe, aside):
    let_go = [held(probe, aside) for _ in range(3)]
    assert len({each().value["environment"] for each in let_go}) == 3


@pytest.mark.not_in_process("threads that a handler leaves behind go on")
def test_F07_what_a_handler_leaves_behind_stops_until_the_next_event(probe):
    run, go_on, after = new_run(), new_run(), new_run()
    leave = {"leave": [{"wait_for": go_on}, {"keep": {"under": run, "kind": "late"}}]}
    probe.do(leave, function="direct-single")
    probe.records.put(go_on)
    for _ in range(3):  # time in which a thread that runs would have come to its end
        probe.do({"keep": {"under": after, "kind": "done"}})
    probe.records.wait(after, "done", 3)
    assert not probe.records.of(run)
    probe.do({"join": True}, function="direct-single")
    assert len(probe.records.wait(run, "late")) == 1


@pytest.mark.local_lever("switches freezing off")
def test_F07_freezing_can_be_switched_off(stack_with):
    probe = stack_with("functions.freeze=no", "functions.async_speed=300")
    run, go_on = new_run(), new_run()
    probe.do({"leave": [{"wait_for": go_on}, {"keep": {"under": run, "kind": "late"}}]})
    probe.records.put(go_on)
    probe.records.wait(run, "late")


def test_F08_temporary_files_survive_a_warm_call_and_a_reset(probe):
    name = f"{new_run()}.txt"
    assert probe.do({"file": {"name": name, "text": "a"}}, function="direct-single") is None
    assert probe.do({"file": {"name": name, "text": "b"}}, function="direct-single") == "a"
    probe.invoke("direct-single", {"do": [{"exit": 1}]})
    assert probe.do({"file": {"name": name, "text": "c"}}, function="direct-single") == "b"


def test_F09_code_that_raises_while_it_is_loaded_fails_every_call_and_has_no_request_id(probe):
    for _ in range(2):
        error = probe.invoke("raising", {}).error_object()
        assert (error["errorType"], error["errorMessage"]) == ("RuntimeError", "the table is not configured")
        assert error["requestId"] == ""


@pytest.mark.local_lever("shortens the limit")
@pytest.mark.not_in_process("a handler that takes too long to load is timed out at once")
def test_F09_code_that_takes_too_long_to_load_is_loaded_again_within_the_first_call(stack_with):
    probe = stack_with("functions.init_limit_s=3")
    assert probe.invoke("slow-import", {}).value == "loaded"
    assert len(probe.records.wait(probe.target.function_name("slow-import") + " import", "import", 2)) == 2


def test_F10_a_time_out_ends_the_environment_and_the_next_call_loads_the_code_again(probe):
    probe.do({"tell": "state"}, function="direct-brief")
    error = probe.invoke("direct-brief", {"do": [{"sleep_ms": 2_000}]}).error_object()
    assert error == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: <id> Error: Task timed out after 1.00 seconds",
    }
    assert probe.do({"tell": "state"}, function="direct-brief")["invocations"] == 1


# -- results and errors ------------------------------------------------------------------------------------------------


def test_F11_an_exception_is_a_result_with_an_error(probe):
    invoked = probe.invoke("direct", {"do": [{"raise": "no such vendor"}]})
    error = invoked.error_object()
    trace = error.pop("stackTrace")
    assert error == {"errorMessage": "no such vendor", "errorType": "ProbeError", "requestId": "<id>"}
    assert all(isinstance(line, str) for line in trace)
    assert "raise ProbeError(value)" in trace[-1]
    assert invoked.answer["ExecutedVersion"] == "$LATEST"


def test_F11_a_result_is_200_without_an_error(probe):
    invoked = probe.invoke("direct", {"do": [{"return": {"a": [1, None, "é"]}}]})
    assert (invoked.answer["StatusCode"], invoked.error, invoked.value) == (200, None, {"a": [1, None, "é"]})


EXITED = {
    "errorType": "Runtime.ExitError",
    "errorMessage": "RequestId: <id> Error: Runtime exited without providing a reason",
}


def test_F12_sys_exit(probe):
    assert probe.invoke("direct", {"do": [{"exit": 0}]}).error_object() == EXITED


@pytest.mark.not_in_process(SAME_PROCESS)
def test_F12_os_exit(probe):
    assert probe.invoke("direct", {"do": [{"exit_at_once": 0}]}).error_object() == EXITED


@pytest.mark.parametrize(
    ("function", "error_type", "message"),
    [
        ("missing", "Runtime.ImportModuleError", "Unable to import module 'absent': No module named 'absent'"),
        ("nameless", "Runtime.HandlerNotFound", "Handler 'absent' missing on module 'direct'"),
    ],
)
def test_F13_a_handler_that_is_not_there(probe, function, error_type, message):
    error = probe.invoke(function, {}).error_object()
    assert (error["errorType"], error["errorMessage"]) == (error_type, message)


def test_F13_a_slash_in_the_handlers_name_is_a_folder(probe):
    assert probe.invoke("folder", {}).value == "folder.inside"


@pytest.mark.parametrize("kind", ["set", "datetime"])
@pytest.mark.row("F14")
def test_F13_a_result_that_is_not_json(probe, kind):
    error = probe.invoke("direct", {"do": [{"give": kind}]}).error_object()
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"].startswith("Unable to marshal response: Object of type ")
    assert error["errorMessage"].endswith(f"{kind} is not JSON serializable")


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("decimal", b"1.50"),
        ("nan", b"NaN"),
        ("bytes", b'{"raw":  true}'),
        ("none", b"null"),
        ("text", '"é🚚"'.encode()),
    ],
)
def test_F14_results_on_the_wire(probe, kind, payload):
    assert probe.invoke("direct", {"do": [{"give": kind}]}).payload == payload


def test_F15_a_result_over_six_megabytes_is_an_error(probe):
    assert len(probe.do({"give_length": 6_291_554})) == 6_291_554
    error = probe.invoke("direct", {"do": [{"give_length": 6_291_555}]}).error_object()
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert error["errorMessage"].endswith("exceeded maximum allowed payload size (6291556 bytes).")


@pytest.mark.parametrize(("kind", "too_many"), [("RequestResponse", 6_291_457), ("Event", 1_048_577)])
def test_F15_a_payload_that_is_too_large_is_refused(probe, kind, too_many):
    payload = b'"%s"' % (b"x" * (too_many - 2))
    error = refusal(probe, event=payload, InvocationType=kind)
    assert error.response["Error"]["Code"] == "RequestTooLargeException"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_F16_what_is_not_json_is_400(probe):
    error = refusal(probe, event=b"{no")
    assert error.response["Error"]["Code"] == "InvalidRequestContentException"
    assert error.response["Error"]["Message"].startswith("Could not parse request body into json: ")
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("options", [{}, {"Qualifier": "absent"}])
def test_F16_what_is_not_there_is_404(probe, options):
    error = refusal(probe, "direct" if options else "no-such-function", {}, **options)
    assert error.response["Error"]["Code"] == "ResourceNotFoundException"
    assert error.response["Error"]["Message"].startswith("Function not found: arn:aws:lambda:")
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def throttled(error):
    return (
        error.response["ResponseMetadata"]["HTTPStatusCode"],
        error.response["Error"]["Code"],
        error.response["Error"]["Message"],
        error.response["Reason"],
    )


def test_F16_over_its_reserved_concurrency_a_function_is_429(probe, aside):
    let_go = held(probe, aside, "direct-single")
    try:
        assert throttled(refusal(probe, "direct-single")) == (
            429,
            "TooManyRequestsException",
            "Rate Exceeded.",
            "ReservedFunctionConcurrentInvocationLimitExceeded",
        )
    finally:
        let_go()
    assert probe.do({"return": 1}, function="direct-single") == 1


def test_F19_a_reservation_of_zero_blocks_a_function(probe):
    assert throttled(refusal(probe, "blocked"))[0] == 429


@pytest.mark.local_lever("lowers the account's limit")
def test_F19_the_accounts_concurrency_is_shared_by_all_functions(stack_with, aside):
    # DirectSingle has one of the two for itself, and everybody else the other one.
    probe = stack_with("functions.account_concurrency=2")
    let_go = held(probe, aside, "direct")
    try:
        assert throttled(refusal(probe, "probe"))[3] == "ConcurrentInvocationLimitExceeded"
        assert probe.request("GET", "/two/x").status == 500
    finally:
        let_go()
    assert probe.do({"return": 1}, function="direct") == 1


# -- asynchronous ------------------------------------------------------------------------------------------------------


def test_F17_an_event_is_accepted_before_it_has_run(probe):
    run, go_on = new_run(), new_run()
    invoked = probe.invoke("direct", {"run": run, "do": [{"wait_for": go_on}]}, InvocationType="Event")
    assert (invoked.answer["StatusCode"], invoked.payload) == (202, b"")
    (seen,) = probe.records.wait(run)
    assert seen["request_id"] == invoked.request_id
    probe.records.put(go_on)


@pytest.mark.local_lever("lets minutes pass in a fraction of a second")
@pytest.mark.row("F18")
def test_F17_a_failing_event_is_tried_twice_more_and_then_a_dead_letter(stack_with):
    probe = stack_with("functions.freeze=no", "functions.async_speed=300")
    run = new_run()
    event = {"run": run, "do": [{"raise": "never"}]}
    invoked = probe.invoke("retried", event, InvocationType="Event")
    letter = probe.find_where("DeadEventsQueue", lambda message: run in message["Body"])
    assert json.loads(letter["Body"]) == event
    attributes = {name: each["StringValue"] for name, each in letter["MessageAttributes"].items()}
    assert attributes == {"RequestID": invoked.request_id, "ErrorCode": "200", "ErrorMessage": "never"}
    tries = probe.records.wait(run, at_least=3)
    assert [each["request_id"] for each in tries] == [invoked.request_id] * 3


@pytest.mark.parametrize(
    ("step", "condition", "response"),
    [
        ({"return": "done"}, "Success", "done"),
        ({"raise": "never"}, "RetriesExhausted", "never"),
    ],
    ids=["success", "failure"],
)
def test_F17_what_becomes_of_an_event_goes_to_its_destination(probe, step, condition, response):
    run = new_run()
    event = {"run": run, "do": [step]}
    invoked = probe.invoke("handed-on", event, InvocationType="Event")
    message = probe.find_where("EventResultsQueue", lambda each: run in each["Body"])
    record = json.loads(message["Body"])
    context = record["requestContext"]
    assert (record["version"], record["requestPayload"]) == ("1.0", event)
    assert (context["requestId"], context["condition"]) == (invoked.request_id, condition)
    assert context["approximateInvokeCount"] == 1
    assert context["functionArn"].endswith(":" + probe.target.function_name("handed-on") + ":$LATEST")
    payload = record["responsePayload"]
    assert (payload if condition == "Success" else payload["errorMessage"]) == response
    assert record["responseContext"].get("functionError") == (None if condition == "Success" else "Unhandled")


@pytest.mark.local_lever("lets minutes pass in a fraction of a second")
def test_F17_a_throttled_event_is_tried_until_there_is_a_place(stack_with, aside):
    probe = stack_with("functions.freeze=no", "functions.async_speed=300")
    let_go = held(probe, aside, "direct-single")
    run = new_run()
    assert probe.invoke("direct-single", {"run": run}, InvocationType="Event").answer["StatusCode"] == 202
    let_go()
    probe.records.wait(run)


def test_F18_a_synchronous_call_that_fails_is_not_tried_again(probe):
    run, after = new_run(), new_run()
    assert probe.invoke("direct", {"run": run, "do": [{"raise": "no"}]}).error == "Unhandled"
    probe.do({"keep": {"under": after, "kind": "done"}})
    probe.records.wait(after, "done")
    assert len(probe.records.of(run)) == 1


# -- the log -----------------------------------------------------------------------------------------------------------


def test_F20_the_log_of_a_call_has_a_frame(probe):
    start, *printed, end, report = probe.invoke("direct", {"do": [{"print": "hello é"}]}, LogType="Tail").log()
    assert (start, printed, end) == (
        "START RequestId: <id> Version: $LATEST",
        ["hello é"],
        "END RequestId: <id>",
    )
    parts = dict(part.split(": ", 1) for part in report.removeprefix("REPORT ").split("\t") if part)
    assert parts["RequestId"] == "<id>"
    assert parts["Memory Size"] == "512 MB"
    for name in ("Duration", "Billed Duration"):
        assert re.fullmatch(r"[\d.]+ ms", parts[name])


@pytest.mark.not_in_process(SAME_PROCESS)
def test_F20_the_log_tells_how_much_memory_was_used(probe):
    report = probe.invoke("direct", {}, LogType="Tail").log()[-1]
    assert re.search(r"\tMax Memory Used: [1-9]\d* MB", report)


def test_F20_an_error_is_logged_with_its_traceback(probe):
    log = probe.invoke("direct", {"do": [{"raise": "no"}]}, LogType="Tail").log()
    assert log[1:3] == ["[ERROR] ProbeError: no", "Traceback (most recent call last):"]
