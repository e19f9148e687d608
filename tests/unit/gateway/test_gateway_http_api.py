"""The rules of an HTTP API (P rows)."""

import base64
import json

import pytest

from simulator.gateway.http_answers import HttpAnswer, read_result
from simulator.gateway.http_api import HttpApiRules, InvokeHttpAuthorizer, InvokeHttpRoute
from simulator.gateway.http_routes import match_route
from simulator.gateway.moment import Moment
from simulator.gateway.proxy_result import Failure
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.throttling import AccountThrottle
from simulator.http11 import HttpRequest
from simulator.stack.model import Authorizer, Cors, HttpApi, HttpRoute, Throttle

DOMAIN = "h4x0r9d7xa.execute-api.us-east-1.amazonaws.com"
REQUEST_ID = "Uz7RBGmNoAMFqPA="
HEADERS = (
    ("Accept", "application/json"),
    ("Accept", "text/plain"),
    ("Cookie", "theme=dark; lang=en"),
    ("Host", DOMAIN),
    ("Connection", "keep-alive"),
    ("User-Agent", "curl/8.5.0"),
)
VENDORS = HttpRoute("GET", "/vendors", "get-vendors")
CORS = Cors(
    allow_origins=("https://app.example.test", "http://*"),
    allow_methods=("GET", "POST"),
    allow_headers=("content-type", "x-key"),
    expose_headers=("x-count", "x-next"),
    max_age_s=600,
    allow_credentials=True,
)


def request(target="/primary/vendors", method="GET", headers=(), body=b""):
    return HttpRequest(method, target, tuple(headers), body, keep_alive=True, upgrade=False)


def api(*routes, stage="primary", settings=None, **more):
    made = HttpApi("Http", "h4x0r9d7xa", "http", stage, routes or (VENDORS,), **more)
    settings = GatewaySettings(**(settings or {}))
    return HttpApiRules(
        made,
        DOMAIN,
        account_id="123456789012",
        region="us-east-1",
        settings=settings,
        account=AccountThrottle(settings),
    )


def handle(rules, asked, now_s=0.0):
    return rules.handle(
        asked,
        "198.51.100.7",
        request_id=REQUEST_ID,
        trace_id="Root=1-65f0c37e-0a1b2c3d4e5f60718293a4b5",
        now=Moment(1_710_277_502_431, now_s),
    )


def event_of(decided):
    assert isinstance(decided, InvokeHttpRoute), decided
    return json.loads(decided.payload)


def answer_to(payload, *, payload_format="2.0", rules=None, asked=None):
    """What the client gets when the handler returned `payload` (bytes, or anything JSON can say)."""
    route = HttpRoute("GET", "/vendors", "get-vendors", payload_format=payload_format)
    invoked = InvokeHttpRoute(route, b"", REQUEST_ID)
    if not isinstance(payload, Failure):
        payload = read_result(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), payload_format)
    return (rules or api()).answer_for(asked or request(), invoked, payload)


def headers_of(answer, name):
    return [value for key, value in answer.headers if key.lower() == name]


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("payload_format", "sample"), [("2.0", "2_0"), ("1.0", "1_0")])
def test_an_event_is_the_sample(sample_event, payload_format, sample):
    rules = api(HttpRoute("GET", "/vendors", "get-vendors", payload_format=payload_format))
    asked = request("/primary/vendors?limit=2&tag=a&tag=b%20c", headers=HEADERS)
    decided = handle(rules, asked)
    assert event_of(decided) == sample_event(f"http_get_vendors_{sample}")
    assert (decided.route.function, decided.request_id) == ("get-vendors", REQUEST_ID)


@pytest.mark.parametrize(
    "absent", ["cookies", "queryStringParameters", "pathParameters", "stageVariables", "body", "multiValueHeaders"]
)
def test_P01_what_is_not_there_is_left_out_of_format_2_0(absent):
    assert absent not in event_of(handle(api(), request()))


def test_P01_optional_parts_of_format_2_0():
    rules = api(HttpRoute("POST", "/vendors/{id}", "f"), stage_variables={"colour": "blue"})
    event = event_of(
        handle(rules, request("/primary/vendors/v%201", "POST", [("content-type", "application/json")], b'{"a":1}'))
    )
    assert event["pathParameters"] == {"id": "v 1"}
    assert event["stageVariables"] == {"colour": "blue"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"a":1}', False)
    assert event["routeKey"] == event["requestContext"]["routeKey"] == "POST /vendors/{id}"
    assert event["rawQueryString"] == ""


def test_P02_names_are_lower_case_and_cookies_move_to_their_list():
    event = event_of(
        handle(api(), request(headers=[("X-One", "1"), ("x-ONE", "2"), ("cookie", "a=1; "), ("COOKIE", "b=2")]))
    )
    assert event["headers"]["x-one"] == "1,2"
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]


def test_P02_the_raw_query_string_is_untouched():
    event = event_of(handle(api(), request("/primary/vendors?a=%41&a=&b")))
    assert event["rawQueryString"] == "a=%41&a=&b"
    assert event["queryStringParameters"] == {"a": "A,", "b": ""}


@pytest.mark.parametrize(
    ("stage", "target", "path"),
    [("primary", "/primary/vendors", "/primary/vendors"), ("$default", "/vendors", "/vendors")],
)
@pytest.mark.parametrize("payload_format", ["1.0", "2.0"])
def test_P03_a_named_stage_is_part_of_the_path(stage, target, path, payload_format):
    rules = api(HttpRoute("GET", "/vendors", "f", payload_format=payload_format), stage=stage)
    event = event_of(handle(rules, request(target)))
    if payload_format == "2.0":
        assert event["rawPath"] == event["requestContext"]["http"]["path"] == path
    else:
        assert event["path"] == event["requestContext"]["path"] == path


@pytest.mark.parametrize(
    "absent",
    ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body"],
)
def test_P04_what_is_not_there_is_null_in_format_1_0(absent):
    event = event_of(handle(api(HttpRoute("GET", "/vendors", "f", payload_format="1.0")), request()))
    assert event[absent] is None


@pytest.mark.parametrize("payload_format", ["1.0", "2.0"])
@pytest.mark.parametrize(
    ("content_type", "body", "text", "encoded"),
    [
        pytest.param("text/plain; charset=utf-8", "né".encode(), "né", False, id="text"),
        pytest.param("application/x-www-form-urlencoded", b"a=1", "a=1", False, id="form"),
        pytest.param("APPLICATION/JSON", b"{}", "{}", False, id="any case"),
        pytest.param("image/png", b"\x89PNG", base64.b64encode(b"\x89PNG").decode(), True, id="binary"),
        pytest.param("text/plain", b"\xff", "/w==", True, id="text that is none"),
        pytest.param(None, b"abc", "YWJj", True, id="no type"),
    ],
)
def test_a_body_that_is_no_text_is_base64(payload_format, content_type, body, text, encoded):
    headers = [] if content_type is None else [("Content-Type", content_type)]
    rules = api(HttpRoute("POST", "/vendors", "f", payload_format=payload_format))
    event = event_of(handle(rules, request(method="POST", headers=headers, body=body)))
    assert (event["body"], event["isBase64Encoded"]) == (text, encoded)


# -- routes ------------------------------------------------------------------------------------------------------------

ROUTES = (
    HttpRoute("ANY", "$default", "default"),
    HttpRoute("ANY", "/{proxy+}", "greedy"),
    HttpRoute("GET", "/pets/{proxy+}", "pets-greedy"),
    HttpRoute("ANY", "/pets/dog/{id}", "dog-any"),
    HttpRoute("GET", "/pets/dog/{id}", "dog"),
    HttpRoute("GET", "/pets/{kind}/{id}", "pet"),
    HttpRoute("ANY", "/pets/dog/1", "dog-one"),
    HttpRoute("GET", "/", "root"),
)


@pytest.mark.parametrize(
    ("method", "path", "function", "parameters"),
    [
        pytest.param("GET", "/pets/dog/1", "dog-one", {}, id="an exact path beats a parameter"),
        pytest.param("GET", "/pets/dog/2", "dog", {"id": "2"}, id="a method beats ANY"),
        pytest.param("PUT", "/pets/dog/2", "dog-any", {"id": "2"}, id="ANY"),
        pytest.param("GET", "/pets/cat/2", "pet", {"kind": "cat", "id": "2"}, id="parameters"),
        pytest.param("GET", "/pets/cat/2/tail", "pets-greedy", {"proxy": "cat/2/tail"}, id="the longer greedy prefix"),
        pytest.param("PUT", "/pets/cat", "greedy", {"proxy": "pets/cat"}, id="greedy before default"),
        pytest.param("GET", "/pets/", "pets-greedy", {"proxy": ""}, id="greedy takes a trailing slash"),
        pytest.param("GET", "/", "root", {}, id="root"),
        pytest.param("PUT", "/", "greedy", {"proxy": ""}, id="greedy at the root"),
    ],
)
def test_P11_the_most_specific_route_takes_a_request(method, path, function, parameters):
    for routes in (ROUTES, tuple(reversed(ROUTES))):
        route, found = match_route(routes, method, path)
        assert (route.function, found) == (function, parameters)


def test_P11_default_takes_what_nothing_else_does():
    routes = (HttpRoute("ANY", "$default", "default"), VENDORS)
    route, parameters = match_route(routes, "GET", "/nothing/here")
    assert (route.function, parameters) == ("default", {})
    event = event_of(handle(api(*routes), request("/primary/nothing/here")))
    assert event["routeKey"] == "$default"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("GET", "/primary/nothing", id="unknown path"),
        pytest.param("POST", "/primary/vendors", id="wrong method is no 405"),
        pytest.param("HEAD", "/primary/vendors", id="HEAD is not GET"),
        pytest.param("GET", "/other/vendors", id="unknown stage"),
        pytest.param("GET", "/vendors", id="no stage"),
        pytest.param("GET", "/primary/vendors/", id="trailing slash"),
        pytest.param("GET", "/primary/vendors/1", id="too deep"),
        pytest.param("GET", "/primary/Vendors", id="other case"),
        pytest.param("GET", "/primary", id="stage alone"),
    ],
)
def test_P10_no_route_is_404(method, target):
    assert handle(api(), request(target, method)) == HttpAnswer(
        404, (("content-type", "application/json"), ("apigw-requestid", REQUEST_ID)), b'{"message":"Not Found"}'
    )


def test_a_parameter_is_not_empty():
    assert match_route((HttpRoute("GET", "/vendors/{id}", "f"),), "GET", "/vendors/") is None


@pytest.mark.parametrize(
    ("stage", "path", "owned", "routed"),
    [
        ("primary", "/primary/vendors", True, True),
        ("primary", "/primary/nothing", True, False),
        ("primary", "/other/vendors", False, False),
        ("$default", "/vendors", True, True),
        ("$default", "/nothing", True, False),
    ],
)
def test_it_knows_which_paths_are_its_own(stage, path, owned, routed):
    rules = api(stage=stage)
    assert (rules.owns(path), rules.has_route("GET", path)) == (owned, routed)


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "body"),
    [
        pytest.param({"Items": []}, b'{"Items": []}', id="object"),
        pytest.param([1, 2], b"[1, 2]", id="list"),
        pytest.param(5, b"5", id="number"),
        pytest.param(None, b"null", id="null"),
        pytest.param("plain é", "plain é".encode(), id="a string is sent unquoted"),
        pytest.param(b'"\\ud800"', b"\xed\xa0\x80", id="lone surrogate"),
    ],
)
def test_P05_any_json_without_a_status_is_a_200(returned, body):
    answer = answer_to(returned)
    assert (answer.status, answer.body) == (200, body)
    assert headers_of(answer, "content-type") == ["application/json"]
    assert headers_of(answer, "apigw-requestid") == [REQUEST_ID]


def test_P06_a_result_with_a_status_decides_everything():
    answer = answer_to(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "X-Count": "2"},
            "cookies": ["a=1; Secure", "b=2"],
            "body": "PGI+",
            "isBase64Encoded": True,
        }
    )
    assert (answer.status, answer.body) == (201, b"<b>")
    assert answer.headers == (
        ("Content-Type", "text/html"),
        ("X-Count", "2"),
        ("set-cookie", "a=1; Secure"),
        ("set-cookie", "b=2"),
        ("apigw-requestid", REQUEST_ID),
    )


def test_P06_without_a_content_type_the_body_is_plain_text():
    assert headers_of(answer_to({"statusCode": 200, "body": "x"}), "content-type") == ["text/plain;charset=utf-8"]


def test_P06_multi_value_headers_mean_nothing_in_format_2_0():
    answer = answer_to({"statusCode": 200, "multiValueHeaders": {"X-Many": ["1", "2"]}})
    assert headers_of(answer, "x-many") == []


def test_P07_format_1_0_has_multi_value_headers_and_they_win():
    answer = answer_to(
        {
            "statusCode": 200,
            "headers": {"x-many": "0", "X-One": "1"},
            "multiValueHeaders": {"X-Many": ["1", "2"]},
            "cookies": ["a=1"],
        },
        payload_format="1.0",
    )
    assert headers_of(answer, "x-many") == ["1", "2"]
    assert headers_of(answer, "x-one") == ["1"]
    assert headers_of(answer, "set-cookie") == []


@pytest.mark.parametrize(
    ("payload", "payload_format"),
    [
        pytest.param(Failure.ERROR, "2.0", id="raised"),
        pytest.param(Failure.REFUSED, "2.0", id="Lambda refused"),
        pytest.param({"Items": []}, "1.0", id="P07 no status in format 1.0"),
        pytest.param("text", "1.0", id="P07 a string in format 1.0"),
        pytest.param({"statusCode": "abc"}, "2.0", id="broken status"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, "2.0", id="object for a body"),
        pytest.param({"statusCode": 200, "headers": {"a\r\nb": "c"}}, "2.0", id="header injection by a name"),
        pytest.param(b"{", "2.0", id="no JSON"),
        pytest.param(b"[" * 100_000, "2.0", id="too deep"),
    ],
)
def test_P08_an_error_or_an_unusable_result_is_500(payload, payload_format):
    assert answer_to(payload, payload_format=payload_format) == HttpAnswer(
        500,
        (("content-type", "application/json"), ("apigw-requestid", REQUEST_ID)),
        b'{"message":"Internal Server Error"}',
    )


def test_P09_too_slow_is_503():
    answer = answer_to(Failure.TIMEOUT)
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')
    assert headers_of(answer, "apigw-requestid") == [REQUEST_ID]


@pytest.mark.parametrize("name", ["Content-Length", "Connection", "transfer-encoding", "apigw-requestid"])
def test_a_handler_cannot_break_the_framing(name):
    answer = answer_to({"statusCode": 200, "headers": {name: "7"}, "body": "x"})
    assert "7" not in headers_of(answer, name.lower())


def test_a_handler_cannot_add_a_header_line():
    answer = answer_to({"statusCode": 200, "headers": {"X-A": "a\r\nSet-Cookie: stolen=1"}, "cookies": ["b=1\nX: 2"]})
    assert headers_of(answer, "set-cookie") == ["b=1 X: 2"]
    assert all("\n" not in value and "\r" not in value for _, value in answer.headers)


# -- CORS --------------------------------------------------------------------------------------------------------------

ORIGIN = ("Origin", "https://app.example.test")
WANTED = ("Access-Control-Request-Method", "GET")


def cors_headers(answer):
    return {name: value for name, value in answer.headers if name.startswith("access-control-")}


def test_P12_a_preflight_is_answered_without_a_route_or_a_function():
    answer = handle(api(cors=CORS), request("/primary/nothing", "OPTIONS", [ORIGIN, WANTED]))
    assert (answer.status, answer.body) == (204, b"")
    assert cors_headers(answer) == {
        "access-control-allow-origin": "https://app.example.test",
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "content-type,x-key",
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="no origin, no method"),
        pytest.param([ORIGIN], id="no method"),
        pytest.param([WANTED], id="no origin"),
        pytest.param([("Origin", "https://evil.example.test"), WANTED], id="another origin"),
    ],
)
def test_P13_a_preflight_that_is_none_gets_no_cors_headers(headers):
    answer = handle(api(cors=CORS), request(method="OPTIONS", headers=headers))
    assert answer.status == 204
    assert cors_headers(answer) == {}


def test_without_cors_options_is_a_method_like_any_other():
    assert handle(api(), request(method="OPTIONS", headers=[ORIGIN, WANTED])).status == 404
    rules = api(HttpRoute("OPTIONS", "/vendors", "options"))
    assert handle(rules, request(method="OPTIONS", headers=[ORIGIN, WANTED])).route.function == "options"


def test_P12_configured_headers_replace_the_handlers_own():
    returned = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "X-Count": "2"}, "body": "x"}
    answer = answer_to(returned, rules=api(cors=CORS), asked=request(headers=[ORIGIN]))
    assert headers_of(answer, "access-control-allow-origin") == ["https://app.example.test"]
    assert headers_of(answer, "access-control-expose-headers") == ["x-count,x-next"]
    assert headers_of(answer, "x-count") == ["2"]


def test_P12_errors_carry_them_too():
    answer = handle(api(cors=CORS), request("/primary/nothing", headers=[ORIGIN]))
    assert answer.status == 404
    assert headers_of(answer, "access-control-allow-origin") == ["https://app.example.test"]


def test_P13_without_an_origin_there_are_none():
    returned = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}, "body": "x"}
    assert cors_headers(answer_to(returned, rules=api(cors=CORS))) == {}


def test_without_cors_the_handlers_own_headers_pass():
    returned = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}, "body": "x"}
    assert headers_of(answer_to(returned, asked=request(headers=[ORIGIN])), "access-control-allow-origin") == ["*"]


@pytest.mark.parametrize(
    ("allowed", "credentials", "origin", "granted"),
    [
        pytest.param(("*",), False, "https://a.test", "*", id="any"),
        pytest.param(("*",), True, "https://a.test", "https://a.test", id="any, with credentials"),
        pytest.param(("https://*",), False, "https://a.test", "https://a.test", id="any over TLS"),
        pytest.param(("https://*",), False, "http://a.test", None, id="not over TLS"),
        pytest.param(("https://a.test",), False, "https://a.test", "https://a.test", id="named"),
        pytest.param(("https://a.test",), False, "https://b.test", None, id="not named"),
        pytest.param((), False, "https://a.test", None, id="none"),
    ],
)
def test_P12_which_origins_are_allowed(allowed, credentials, origin, granted):
    rules = api(cors=Cors(allow_origins=allowed, allow_credentials=credentials))
    answer = answer_to({"a": 1}, rules=rules, asked=request(headers=[("Origin", origin)]))
    assert headers_of(answer, "access-control-allow-origin") == ([] if granted is None else [granted])


GATED = HttpRoute("ANY", "$default", "catch-all", authorizer=Authorizer("gate", "gate"))
PREFLIGHT = request("/primary/anything", "OPTIONS", [ORIGIN, WANTED])


def test_P14_a_default_route_with_an_authorizer_swallows_preflights():
    decided = handle(api(GATED, cors=CORS), PREFLIGHT)
    assert isinstance(decided, InvokeHttpAuthorizer)
    assert decided.call.route is GATED


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param((GATED, HttpRoute("OPTIONS", "/{proxy+}", "options")), id="an OPTIONS route"),
        pytest.param((GATED, HttpRoute("ANY", "/{proxy+}", "any")), id="a route for any method"),
        pytest.param((HttpRoute("ANY", "$default", "catch-all"),), id="a $default route without authorizer"),
        pytest.param((VENDORS,), id="no such route"),
    ],
)
def test_P14_otherwise_the_gateway_answers_them(routes):
    answer = handle(api(*routes, cors=CORS), PREFLIGHT)
    assert isinstance(answer, HttpAnswer)
    assert answer.status == 204
    assert headers_of(answer, "access-control-allow-origin") == ["https://app.example.test"]


def test_P12_the_status_of_a_preflight_is_a_setting():
    assert handle(api(cors=CORS, settings={"preflight_status": 200}), PREFLIGHT).status == 200


# -- limits ------------------------------------------------------------------------------------------------------------


def test_P15_request_line_and_headers_have_10240_bytes_together():
    def of_size(size):
        line = len("GET /primary/vendors HTTP/1.1\r\n")
        return request(
            headers=[("Host", DOMAIN), ("X-Fill", "x" * (size - line - len(f"Host: {DOMAIN}\r\nX-Fill: \r\n")))]
        )

    assert isinstance(handle(api(), of_size(10_240)), InvokeHttpRoute)
    answer = handle(api(), of_size(10_241))
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, headers_of(answer, "apigw-requestid")) == (431, [REQUEST_ID])


def test_P17_a_throttled_request_gets_429_and_the_next_second_it_passes():
    rules = api(throttle=Throttle(rate_per_s=1, burst=1))
    assert isinstance(handle(rules, request(), 0.0), InvokeHttpRoute)
    answer = handle(rules, request(), 0.5)
    assert (answer.status, answer.body) == (429, b'{"message":"Too Many Requests"}')
    assert headers_of(answer, "apigw-requestid") == [REQUEST_ID]
    assert isinstance(handle(rules, request(), 1.0), InvokeHttpRoute)


def test_P17_a_route_has_a_throttle_of_its_own():
    closed = HttpRoute("GET", "/closed", "f", throttle=Throttle(rate_per_s=0, burst=0))
    rules = api(VENDORS, closed)
    assert handle(rules, request("/primary/closed")).status == 429
    assert isinstance(handle(rules, request()), InvokeHttpRoute)


def test_P17_the_account_has_one_for_all():
    rules = api(settings={"account_burst": 1, "account_rate_per_s": 0.0})
    assert handle(rules, request("/primary/nothing")).status == 404
    assert handle(rules, request("/primary/nothing")).status == 429


def test_P17_the_text_is_a_setting_and_browsers_can_read_it():
    settings = {"account_burst": 0, "http_throttled_message": "Slow down"}
    answer = handle(api(cors=CORS, settings=settings), request(headers=[ORIGIN]))
    assert (answer.status, answer.body) == (429, b'{"message":"Slow down"}')
    assert headers_of(answer, "access-control-allow-origin") == ["https://app.example.test"]


# -- the id ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(answer_to({"a": 1}), id="200"),
        pytest.param(answer_to({"statusCode": 204}, payload_format="1.0"), id="204 of format 1.0"),
        pytest.param(answer_to(Failure.ERROR), id="500"),
        pytest.param(answer_to(Failure.TIMEOUT), id="503"),
        pytest.param(handle(api(), request("/primary/nothing")), id="404"),
        pytest.param(handle(api(cors=CORS), PREFLIGHT), id="preflight"),
    ],
)
def test_P16_every_answer_has_an_id_and_nothing_of_rest_apis(answer):
    assert headers_of(answer, "apigw-requestid") == [REQUEST_ID]
    assert not [name for name, _ in answer.headers if name.lower().startswith(("x-amzn-", "x-amz-"))]
