"""Section 5 of the contract: HTTP APIs (P rows)."""

import base64
import json
import re
from urllib.parse import quote, urlencode, urlsplit

import pytest

from harness.probe import new_run

REQUEST_ID = r"[A-Za-z0-9_-]{15}="
ORIGIN = ("Origin", "https://app.example.test")
WANTED = ("Access-Control-Request-Method", "GET")
BACK = {"return_event": True}


def call(probe, path, *do, method="GET", query="", run=None, **options):
    """Ask for `path`; the probe does what `do` says."""
    program = {"run": run or new_run(), "do": json.dumps(list(do))}
    return probe.request(method, f"{path}?{urlencode(program)}{query}", **options)


def event_of(probe, path, **options):
    """The event that a request became."""
    answer = call(probe, path, BACK, **options)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def returned(probe, result, path="/two/x", **options):
    """The answer to a request whose handler returned `result`."""
    return call(probe, path, {"return": result}, **options)


def cors_headers(answer):
    return {name.lower(): value for name, value in answer.headers if name.lower().startswith("access-control-")}


# -- events ------------------------------------------------------------------------------------------------------------


def test_P01_an_event_of_format_2_0_has_these_keys_and_no_others(probe):
    run = new_run()
    answer = call(probe, "/two/x", BACK, run=run, headers=[("User-Agent", "probe/1.0")])
    event = json.loads(answer.body)
    context, http = event["requestContext"], event["requestContext"]["http"]
    stage = urlsplit(probe.target.urls["Http"]).path
    assert set(event) == {
        *("version", "routeKey", "rawPath", "rawQueryString", "headers", "queryStringParameters"),
        *("requestContext", "pathParameters", "stageVariables", "isBase64Encoded"),
    }
    assert set(context) == {
        *("accountId", "apiId", "domainName", "domainPrefix", "http", "requestId", "routeKey", "stage"),
        *("time", "timeEpoch"),
    }
    assert (event["version"], event["isBase64Encoded"]) == ("2.0", False)
    assert event["routeKey"] == context["routeKey"] == "ANY /two/{name}"
    assert event["pathParameters"] == {"name": "x"}
    assert event["stageVariables"] == {"colour": "green"}
    assert event["queryStringParameters"] == {"run": run, "do": json.dumps([BACK])}
    assert event["rawQueryString"] == urlencode({"run": run, "do": json.dumps([BACK])})
    assert http.pop("sourceIp")
    assert http == {"method": "GET", "path": f"{stage}/two/x", "protocol": "HTTP/1.1", "userAgent": "probe/1.0"}
    assert re.fullmatch(REQUEST_ID, context["requestId"])
    assert context["requestId"] == answer["apigw-requestid"]
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
    assert isinstance(context["timeEpoch"], int)
    assert re.fullmatch(r"\d{12}", context["accountId"])
    assert context["domainName"].startswith(context["domainPrefix"])


@pytest.mark.parametrize(
    ("content_type", "sent", "body", "encoded"),
    [
        pytest.param("application/json", b'{"a": 1}', '{"a": 1}', False, id="JSON"),
        pytest.param("text/plain", "é".encode(), "é", False, id="text"),
        pytest.param("application/octet-stream", b"\x00\xff", base64.b64encode(b"\x00\xff").decode(), True, id="bytes"),
    ],
)
def test_P01_a_body_is_there_when_one_was_sent(probe, content_type, sent, body, encoded):
    event = event_of(probe, "/two/x", method="POST", body=sent, headers=[("Content-Type", content_type)])
    assert (event["body"], event["isBase64Encoded"]) == (body, encoded)


def test_P02_names_are_lower_case_and_what_came_twice_is_joined(probe):
    headers = [("X-Seen", "1"), ("x-SEEN", "2"), ("Cookie", "a=1; b=2")]
    event = event_of(probe, "/two/x", headers=headers, query="&tag=a&tag=b%20c")
    assert event["headers"]["x-seen"] in ("1,2", "1, 2")
    assert [name for name in event["headers"] if name != name.lower()] == []
    assert "cookie" not in event["headers"]
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["queryStringParameters"]["tag"] == "a,b c"
    assert event["rawQueryString"].endswith("&tag=a&tag=b%20c")


@pytest.mark.parametrize("api", ["Http", "RootHttp"])
def test_P03_the_path_has_the_stage_in_it_when_the_stage_has_a_name(probe, api):
    event = event_of(probe, "/two/x", api=api)
    stage = urlsplit(probe.target.urls[api]).path
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == f"{stage}/two/x"
    assert event["requestContext"]["stage"] == (stage.removeprefix("/") or "$default")


def test_P04_an_event_of_format_1_0_has_these_keys_and_null_for_what_is_absent(probe):
    answer = probe.request("GET", "/one/x")
    assert answer.status == 200
    event = event_of(probe, "/one/x", headers=[("X-Seen", "1"), ("X-Seen", "2")], query="&tag=a&tag=b")
    assert set(event) == {
        *("version", "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters"),
        *("multiValueQueryStringParameters", "requestContext", "pathParameters", "stageVariables", "body"),
        "isBase64Encoded",
    }
    assert (event["version"], event["httpMethod"], event["resource"]) == ("1.0", "GET", "/one/{name}")
    assert event["pathParameters"] == {"name": "x"}
    assert event["stageVariables"] == {"colour": "green"}
    assert (event["body"], event["isBase64Encoded"]) == (None, False)
    assert event["multiValueQueryStringParameters"]["tag"] == ["a", "b"]
    assert event["queryStringParameters"]["tag"] == "b"
    values = {name.lower(): value for name, value in event["multiValueHeaders"].items()}
    assert [part for value in values["x-seen"] for part in value.replace(" ", "").split(",")] == ["1", "2"]
    identity = event["requestContext"]["identity"]
    assert {name for name, value in identity.items() if value is not None} <= {"sourceIp", "userAgent"}
    assert {"accessKey", "accountId", "caller", "user", "userArn", "sourceIp", "userAgent"} <= set(identity)


# -- results -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "body"),
    [
        pytest.param({"message": "hi"}, '{"message":"hi"}', id="object"),
        pytest.param([1, "é"], '[1,"é"]', id="list"),
        pytest.param("a bare text", "a bare text", id="text"),
        pytest.param(7, "7", id="number"),
    ],
)
def test_P05_a_result_without_a_status_is_the_body(probe, result, body):
    answer = returned(probe, result)
    assert answer.status == 200
    assert answer["content-type"] == "application/json"
    if isinstance(result, str):
        assert answer.text == body
    else:
        assert json.loads(answer.body) == json.loads(body)


def test_P06_a_result_of_format_2_0(probe):
    result = {
        "statusCode": 201,
        "headers": {"X-Made": "yes", "Content-Type": "text/css"},
        "cookies": ["a=1; Secure", "b=2"],
        "body": base64.b64encode(b"\x00\xffx").decode(),
        "isBase64Encoded": True,
    }
    answer = returned(probe, result)
    assert (answer.status, answer.body) == (201, b"\x00\xffx")
    assert (answer["x-made"], answer["content-type"]) == ("yes", "text/css")
    assert answer.all("set-cookie") == ["a=1; Secure", "b=2"]


def test_P07_a_result_of_format_1_0(probe):
    result = {"statusCode": 203, "headers": {"X-A": "1"}, "multiValueHeaders": {"X-B": ["2", "3"]}, "body": "text"}
    answer = returned(probe, result, "/one/x")
    assert (answer.status, answer.text, answer["x-a"]) == (203, "text", "1")
    assert [part.strip() for value in answer.all("x-b") for part in value.split(",")] == ["2", "3"]


def test_P07_format_1_0_must_say_a_status(probe):
    assert returned(probe, {"message": "hi"}, "/one/x").status == 500


@pytest.mark.parametrize(
    ("path", "do"),
    [
        pytest.param("/two/x", [{"raise": "broken"}], id="raised"),
        pytest.param("/one/x", [{"raise": "broken"}], id="raised, format 1.0"),
        pytest.param("/brief", [{"sleep_ms": 3_000}], id="time-out of the function"),
        pytest.param("/one/x", [{"return": "text"}], id="not a result"),
        pytest.param("/two/x", [{"return": {"statusCode": "many"}}], id="no status"),
        pytest.param("/two/x", [{"return": {"statusCode": 200, "body": {"a": 1}}}], id="no text"),
        pytest.param("/blocked", [], id="Lambda refuses"),
    ],
)
def test_P08_what_goes_wrong_behind_the_gateway_is_500(probe, path, do):
    answer = call(probe, path, *do)
    assert (answer.status, answer.text) == (500, '{"message":"Internal Server Error"}')
    assert answer["content-type"] == "application/json"


def test_P09_an_integration_that_takes_too_long_is_503_and_its_function_runs_on(probe):
    run, gate = new_run(), new_run()
    answer = call(probe, "/hasty", {"wait_for": gate}, {"keep": {"under": run, "kind": "went on"}}, run=run)
    assert (answer.status, answer.text) == (503, '{"message":"Service Unavailable"}')
    assert re.fullmatch(REQUEST_ID, answer["apigw-requestid"])
    probe.records.put(gate)
    probe.records.wait(run, "went on")


# -- routes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "method", "path"),
    [
        pytest.param("Http", "GET", "/nowhere", id="no such path"),
        pytest.param("Http", "POST", "/brief", id="another method"),
        pytest.param("Http", "GET", "/brief/", id="a trailing slash"),
        pytest.param("Http", "GET", "/two", id="too short"),
        pytest.param("Http", "GET", "/two/x/y", id="too long"),
        pytest.param("RootHttp", "GET", "/", id="no route at the root"),
        pytest.param("RootHttp", "GET", "/nowhere/two/x", id="no such stage"),
    ],
)
def test_P10_no_route_or_stage_is_404(probe, api, method, path):
    run = new_run()
    answer = probe.request(method, f"{path}?run={run}", api=api)
    assert (answer.status, answer.text) == (404, '{"message":"Not Found"}')
    call(probe, "/two/x", run=run)
    assert len(probe.records.events(run)) == 1, "the function hears of the request that has a route, and of no other"


@pytest.mark.parametrize(
    ("method", "path", "route_key"),
    [
        pytest.param("GET", "/rank/exact", "GET /rank/exact", id="exact, method"),
        pytest.param("POST", "/rank/exact", "ANY /rank/exact", id="exact, any method"),
        pytest.param("GET", "/rank/exactly", "GET /rank/{proxy+}", id="greedy, method"),
        pytest.param("GET", "/rank/a/b", "GET /rank/{proxy+}", id="greedy, deeper"),
        pytest.param("PUT", "/rank/a", "ANY /rank/{proxy+}", id="greedy, any method"),
        pytest.param("GET", "/elsewhere", "$default", id="default"),
    ],
)
def test_P11_the_most_specific_route_takes_the_request(probe, method, path, route_key):
    event = event_of(probe, path, method=method, api="RankHttp")
    assert event["routeKey"] == route_key
    assert event["requestContext"]["http"]["method"] == method


# -- CORS --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/two/x", "/nowhere"])
def test_P12_a_preflight_is_answered_without_a_route_or_a_function(probe, path):
    run = new_run()
    answer = call(probe, path, run=run, method="OPTIONS", headers=[ORIGIN, WANTED])
    assert (answer.status, answer.body) == (204, b"")
    assert cors_headers(answer) == {
        "access-control-allow-origin": "https://app.example.test",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "content-type",
        "access-control-max-age": "600",
    }
    call(probe, "/two/x", run=run)
    (event,) = probe.records.events(run)
    assert event["requestContext"]["http"]["method"] == "GET"


@pytest.mark.parametrize("path", ["/two/x", "/one/x"])
def test_P12_configured_headers_replace_the_handlers_own(probe, path):
    own = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true", "X-Seen": "1"}
    answer = returned(probe, {"statusCode": 200, "headers": own, "body": ""}, path, headers=[ORIGIN])
    assert cors_headers(answer) == {
        "access-control-allow-origin": "https://app.example.test",
        "access-control-expose-headers": "x-seen",
    }
    assert answer["x-seen"] == "1"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="no Origin"),
        pytest.param([("Origin", "https://evil.example.test")], id="an Origin that is not allowed"),
    ],
)
def test_P13_without_an_allowed_origin_an_answer_has_no_cors_headers(probe, headers):
    assert cors_headers(returned(probe, {"a": 1}, headers=headers)) == {}
    assert cors_headers(probe.request("OPTIONS", "/two/x", headers=[*headers, WANTED])) == {}


def test_P13_a_preflight_names_the_method_it_is_for(probe):
    assert cors_headers(probe.request("OPTIONS", "/two/x", headers=[ORIGIN])) == {}


def authorized(result):
    """Query of a request whose authorizer returns `result`."""
    return "&" + urlencode({"authorize": json.dumps([{"return": result}])})


def test_P14_a_default_route_behind_an_authorizer_takes_the_preflights(probe):
    run = new_run()
    answer = call(probe, "/anything", run=run, api="GuardedHttp", method="OPTIONS", headers=[ORIGIN, WANTED])
    assert (answer.status, answer.text) == (401, '{"message":"Unauthorized"}')
    headers = [ORIGIN, WANTED, ("X-Token", run)]
    answer = call(
        probe,
        "/anything",
        {"return": {"statusCode": 202}},
        run=run,
        api="GuardedHttp",
        method="OPTIONS",
        headers=headers,
        query=authorized({"isAuthorized": True}),
    )
    assert answer.status == 202
    asked, taken = probe.records.events(run, 2)
    assert (asked["type"], asked["routeKey"]) == ("REQUEST", "$default")
    assert taken["requestContext"]["http"]["method"] == "OPTIONS"


def test_P14_an_options_route_lets_them_through(probe):
    answer = call(probe, "/anything", api="GuardedOptionsHttp", method="OPTIONS", headers=[ORIGIN, WANTED])
    assert 200 <= answer.status <= 299
    assert cors_headers(answer)["access-control-allow-origin"] == "https://app.example.test"
    assert call(probe, "/anything", api="GuardedOptionsHttp", headers=[ORIGIN]).status == 401


def test_P01_the_event_says_what_an_authorizer_said(probe):
    run = new_run()
    context = {"who": "me", "number": 7, "yes": True}
    answer = call(
        probe,
        "/anything",
        BACK,
        run=run,
        api="GuardedHttp",
        headers=[("X-Token", run)],
        query=authorized({"isAuthorized": True, "context": context}),
    )
    assert json.loads(answer.body)["requestContext"]["authorizer"] == {"lambda": context}
    asked = probe.records.event(run, where=lambda event: event.get("type") == "REQUEST")
    assert asked["identitySource"] == [run]
    assert asked["routeArn"].endswith("/guarded/GET/anything")


def test_P01_who_is_not_authorized_gets_403_and_the_function_does_not_run(probe):
    run = new_run()
    answer = call(
        probe,
        "/anything",
        run=run,
        api="GuardedHttp",
        headers=[("X-Token", run)],
        query=authorized({"isAuthorized": False}),
    )
    assert (answer.status, answer.text) == (403, '{"message":"Forbidden"}')
    assert [event["type"] for event in probe.records.events(run)] == ["REQUEST"]


# -- limits ------------------------------------------------------------------------------------------------------------


def test_P15_P16_a_body_of_more_than_10_mb_is_413(probe):
    answer = probe.request("POST", "/two/x", b"x" * (10 * 1024 * 1024 + 1), headers=[("Content-Type", "text/plain")])
    assert answer.status == 413
    assert re.fullmatch(REQUEST_ID, answer["apigw-requestid"])


def test_P15_a_request_line_and_headers_of_more_than_10240_bytes_are_431(probe):
    def with_headers(size):
        return probe.request(
            "GET", "/two/x", headers=[(f"X-Fill-{number}", "x" * 1_000) for number in range(size)]
        ).status

    assert with_headers(9) == 200
    assert with_headers(11) == 431


def test_P15_lambdas_6_mb_apply_both_ways(probe):
    run = new_run()
    answer = call(
        probe, "/two/x", run=run, method="POST", body=b"x" * (7 * 1024 * 1024), headers=[("Content-Type", "text/plain")]
    )
    assert answer.status >= 400
    fits = call(probe, "/two/x", {"return_length": 5 * 1024 * 1024}, run=run)
    assert (fits.status, len(fits.body)) == (200, 5 * 1024 * 1024)
    assert call(probe, "/two/x", {"return_length": 7 * 1024 * 1024}).status == 500
    assert len(probe.records.events(run)) == 1, "the function did not hear of the first request"


@pytest.mark.parametrize(
    ("path", "do", "status"),
    [
        pytest.param("/two/x", [], 200, id="200"),
        pytest.param("/one/x", [], 200, id="200, format 1.0"),
        pytest.param("/two/x", [{"raise": "broken"}], 500, id="500"),
        pytest.param("/nowhere", [], 404, id="404"),
        pytest.param("/closed", [], 429, id="429"),
        pytest.param(f"/two/{quote('ü')}", [], 200, id="a letter that is encoded"),
    ],
)
def test_P16_every_answer_has_an_id_of_its_own_and_no_headers_of_rest_apis(probe, path, do, status):
    answers = [call(probe, path, *do, headers=[ORIGIN]) for _ in range(2)]
    ids = {answer["apigw-requestid"] for answer in answers}
    assert len(ids) == 2
    for answer in answers:
        assert answer.status == status
        assert re.fullmatch(REQUEST_ID, answer["apigw-requestid"])
        assert [name for name, _ in answer.headers if name.lower().startswith("x-amzn-")] == []


def test_P17_a_throttled_request_is_429_and_the_function_does_not_run(probe):
    run = new_run()
    answer = call(probe, "/closed", run=run)
    assert (answer.status, answer.text) == (429, '{"message":"Too Many Requests"}')
    call(probe, "/two/x", run=run)
    (event,) = probe.records.events(run)
    assert event["routeKey"] == "ANY /two/{name}"
