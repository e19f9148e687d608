"""The HTTP API over the wire (P rows)."""

import asyncio
import json

import pytest

from simulator import http11
from simulator.gateway.ids import is_connection_id
from simulator.invocation import InvokeRefusedError
from simulator.stack.model import Authorizer, Cors, HttpRoute, IdentitySource, Throttle

CORS = Cors(allow_origins=("*",), allow_methods=("GET", "OPTIONS"), allow_headers=("content-type",), max_age_s=300)
ORIGIN = "Origin: https://app.example.test"


async def test_P01_the_event_of_a_request(serve):
    served = await serve()
    await served.ask(
        "GET", "/primary/vendors?limit=2", headers=("User-Agent: sim/1.0", "Cookie: a=1", "X-A: 1", "x-a: 2")
    )
    event = await served.functions.event("get-vendors")
    context = event.pop("requestContext")
    trace_id = event["headers"].pop("x-amzn-trace-id")
    assert trace_id.startswith("Root=1-")
    assert event == {
        "version": "2.0",
        "routeKey": "GET /vendors",
        "rawPath": "/primary/vendors",
        "rawQueryString": "limit=2",
        "cookies": ["a=1"],
        "headers": {
            "host": "a",
            "content-length": "0",
            "user-agent": "sim/1.0",
            "x-a": "1,2",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "queryStringParameters": {"limit": "2"},
        "isBase64Encoded": False,
    }
    assert is_connection_id(context.pop("requestId"))
    assert context.pop("time").endswith(" +0000")
    assert isinstance(context.pop("timeEpoch"), int)
    assert context == {
        "accountId": "123456789012",
        "apiId": "h4x0r9d7xa",
        "domainName": f"127.0.0.1:{served.port}",
        "domainPrefix": "127",
        "http": {
            "method": "GET",
            "path": "/primary/vendors",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "sim/1.0",
        },
        "routeKey": "GET /vendors",
        "stage": "primary",
    }


async def test_P05_any_json_is_the_body(serve):
    served = await serve()
    served.functions.handlers["get-vendors"] = lambda event: {"Items": [], "count": 0}
    answer = await served.ask("GET", "/primary/vendors")
    assert (answer.status, answer["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == {"Items": [], "count": 0}


async def test_P06_a_result_with_a_status_decides_everything(serve):
    served = await serve()
    served.functions.handlers["get-vendors"] = lambda event: {
        "statusCode": 418,
        "headers": {"Content-Type": "text/html", "X-Count": 2},
        "cookies": ["a=1; Secure", "b=2"],
        "body": "PGI+",
        "isBase64Encoded": True,
    }
    answer = await served.ask("GET", "/primary/vendors")
    assert (answer.status, answer.body) == (418, b"<b>")
    assert (answer["content-type"], answer["x-count"]) == ("text/html", "2")
    assert [value for name, value in answer.headers if name.lower() == "set-cookie"] == ["a=1; Secure", "b=2"]
    assert is_connection_id(answer["apigw-requestid"])


async def test_a_handler_cannot_add_a_header_line(serve):
    served = await serve()
    served.functions.handlers["get-vendors"] = lambda event: {
        "statusCode": 200,
        "headers": {"X-A": "a\r\nSet-Cookie: stolen=1\r\n\r\n<b>"},
        "cookies": ["b=1\r\nX-B: 2"],
        "body": "x",
    }
    answer = await served.ask("GET", "/primary/vendors")
    assert [value for name, value in answer.headers if name.lower() == "set-cookie"] == ["b=1 X-B: 2"]
    assert answer["x-b"] is None
    assert answer.body == b"x"


@pytest.mark.parametrize("returned", [{"statusCode": "x"}, {"statusCode": 200, "body": {}}, b"no JSON"])
async def test_P08_an_unusable_result_is_500(serve, returned):
    served = await serve()
    served.functions.handlers["get-vendors"] = lambda event: returned
    answer = await served.ask("GET", "/primary/vendors")
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')
    assert is_connection_id(answer["apigw-requestid"])


async def test_P08_a_handler_that_raises_is_500(serve):
    served = await serve()
    served.functions.raises("get-vendors")
    answer = await served.ask("GET", "/primary/vendors")
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')


@pytest.mark.parametrize("error", [InvokeRefusedError(429, "TooManyRequestsException", "x"), LookupError("unexpected")])
async def test_P08_a_function_that_cannot_be_invoked_is_500(serve, error):
    served = await serve()

    def broken(event):
        raise error

    served.functions.handlers["get-vendors"] = broken
    assert (await served.ask("GET", "/primary/vendors")).status == 500


async def test_P09_a_handler_slower_than_its_timeout_is_503_and_runs_on(serve):
    served = await serve(http_routes=(HttpRoute("GET", "/vendors", "get-vendors", timeout_ms=1),))
    go_on, finished = asyncio.Event(), asyncio.Event()

    async def slow(event):
        await go_on.wait()
        finished.set()

    served.functions.handlers["get-vendors"] = slow
    answer = await served.ask("GET", "/primary/vendors")
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')
    go_on.set()
    await asyncio.wait_for(finished.wait(), 10)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/primary/nothing"),
        ("POST", "/primary/vendors"),
        ("GET", "/primary/vendors/"),
        ("GET", "/other/vendors"),
        ("GET", "/vendors"),
        ("GET", "/"),
    ],
)
async def test_P10_no_route_or_stage_is_404(serve, method, path):
    served = await serve()
    answer = await served.ask(method, path)
    assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')
    assert is_connection_id(answer["apigw-requestid"])
    assert served.functions.count == {}


async def test_P12_a_preflight_is_answered_by_the_gateway(serve):
    served = await serve(cors=CORS)
    answer = await served.ask("OPTIONS", "/primary/vendors", headers=(ORIGIN, "Access-Control-Request-Method: GET"))
    assert (answer.status, answer.body, answer["content-length"]) == (204, b"", None)
    assert answer["access-control-allow-origin"] == "*"
    assert answer["access-control-allow-methods"] == "GET,OPTIONS"
    assert answer["access-control-allow-headers"] == "content-type"
    assert answer["access-control-max-age"] == "300"
    assert served.functions.count == {}


async def test_P12_configured_headers_replace_the_handlers_own(serve):
    served = await serve(cors=CORS)
    served.functions.handlers["get-vendors"] = lambda event: {
        "statusCode": 200,
        "headers": {"Access-Control-Allow-Origin": "https://other.example.test"},
    }
    assert (await served.ask("GET", "/primary/vendors", headers=(ORIGIN,)))["access-control-allow-origin"] == "*"
    assert (await served.ask("GET", "/primary/vendors"))["access-control-allow-origin"] is None


async def test_P15_ten_megabytes_are_the_longest_body(serve, monkeypatch):
    monkeypatch.setattr(http11.HttpConnection, "max_body_bytes", 100_000)
    served = await serve(http_routes=(HttpRoute("POST", "/vendors", "post-vendors"),))
    assert http11.MAX_BODY_BYTES == 10 * 1024 * 1024
    assert (await served.ask("POST", "/primary/vendors", b"x" * 100_000)).status == 200
    # The client that is still sending gets its answer all the same.
    assert (await served.ask("POST", "/primary/vendors", b"x" * 2_000_000)).status == 413


async def test_answers_without_a_body_do_not_break_the_connection(serve):
    served = await serve(http_routes=(HttpRoute("ANY", "/{proxy+}", "any"),))
    served.functions.handlers["any"] = lambda event: {"statusCode": int(event["rawPath"][-3:]), "body": "body"}
    raw = await served.raw()
    for method, status in [("GET", 204), ("GET", 304), ("HEAD", 200)]:
        raw.send(f"{method} /primary/x/{status} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert (await raw.answer()).status == 204
    assert (await raw.answer()).status == 304
    head = await raw.reader.readuntil(b"\r\n\r\n")
    assert b"Content-Length: 4\r\n" in head
    raw.send(b"GET /primary/x/200 HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = await raw.answer()
    assert (answer.status, answer.body) == (200, b"body")


async def test_pipelined_requests_are_answered_in_order_whatever_they_take(serve):
    served = await serve(http_routes=(HttpRoute("GET", "/{proxy+}", "any"),))
    second_may_end = asyncio.Event()

    async def by_path(event):
        if event["rawPath"].endswith("slow"):
            await second_may_end.wait()
        return event["rawPath"]

    served.functions.handlers["any"] = by_path
    raw = await served.raw()
    for path in ("slow", "@none", "fast"):
        raw.send(f"GET /primary/{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert (await served.functions.event("any"))["rawPath"] == "/primary/slow"
    assert (await served.ask("GET", "/other")).status == 404
    assert served.functions.count["any"] == 1
    second_may_end.set()
    assert [(await raw.answer()).body for _ in range(3)] == [b"/primary/slow", b"/primary/@none", b"/primary/fast"]


async def test_a_client_that_leaves_before_the_answer_harms_nobody(serve, caplog):
    served = await serve()
    go_on = asyncio.Event()

    async def slow(event):
        await go_on.wait()
        return {}

    served.functions.handlers["get-vendors"] = slow
    raw = await served.raw()
    raw.send(b"GET /primary/vendors HTTP/1.1\r\nHost: a\r\n\r\n")
    await served.functions.event("get-vendors")
    raw.abort()
    await raw.close()
    go_on.set()
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    assert caplog.records == []


async def test_a_client_that_offers_http_2_is_served_over_http_1(serve):
    served = await serve()
    raw = await served.raw()
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    for _ in range(2):
        raw.send(b"GET /primary/vendors HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n")
        assert (await raw.answer()).status == 200


async def test_the_counts_are_told_to_who_asks(make_stack, serve):
    served = await serve()
    answer = await served.ask("GET", "/.tracker-sim/stats")
    assert (answer.status, json.loads(answer.body)) == (200, {})


# -- authorizers and limits --------------------------------------------------------------------------------------------

SIMPLE = Authorizer(
    "Gate", "gate", (IdentitySource("header", "Auth"),), 100, "2.0", simple_responses=True, result_ttl_s=60
)
POLICY = Authorizer("Guard", "guard", (), 100)
GUARDED = (
    HttpRoute("GET", "/vendors", "get-vendors", authorizer=SIMPLE),
    HttpRoute("GET", "/guarded", "guarded", payload_format="1.0", authorizer=POLICY),
)


async def test_an_authorizer_is_asked_once_for_an_identity_and_its_context_reaches_the_function(serve):
    served = await serve(http_routes=GUARDED)
    served.functions.handlers["gate"] = lambda event: {
        "isAuthorized": True,
        "context": {"who": event["identitySource"]},
    }
    for _ in range(2):
        assert (await served.ask("GET", "/primary/vendors", headers=("AUTH: me",))).status == 200
        context = (await served.functions.event("get-vendors"))["requestContext"]
        assert context["authorizer"] == {"lambda": {"who": ["me"]}}
    assert served.functions.count["gate"] == 1


async def test_without_identity_nobody_is_asked(serve):
    served = await serve(http_routes=GUARDED)
    answer = await served.ask("GET", "/primary/vendors")
    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    assert served.functions.count == {}


async def test_a_policy_decides_about_the_method_that_was_asked_for(serve):
    served = await serve(http_routes=GUARDED)

    def handler(event):
        assert event["methodArn"].endswith(":h4x0r9d7xa/primary/GET/guarded")
        effect = event["headers"]["Effect"]
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
        return {"principalId": "me", "policyDocument": {"Statement": [statement]}, "context": {"n": 1}}

    served.functions.handlers["guard"] = handler
    assert (await served.ask("GET", "/primary/guarded", headers=("Effect: Allow",))).status == 200
    context = (await served.functions.event("guarded"))["requestContext"]
    assert context["authorizer"] == {"n": 1, "principalId": "me"}
    answer = await served.ask("GET", "/primary/guarded", headers=("Effect: Deny",))
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
    assert served.functions.count["guarded"] == 1


async def hang(event):
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("handler", "status", "said"),
    [
        pytest.param(lambda event: {"isAuthorized": 1}, 500, "lacks isAuthorized", id="not understood"),
        pytest.param(hang, 500, "the integration timeout passed; the client gets 500", id="timeout"),
    ],
)
async def test_an_authorizer_without_a_usable_answer(serve, caplog, handler, status, said):
    served = await serve(http_routes=GUARDED)
    served.functions.handlers["gate"] = handler
    answer = await served.ask("GET", "/primary/vendors", headers=("Auth: me",))
    assert answer.status == status
    assert answer["apigw-requestid"] is not None
    assert said in caplog.text
    assert served.functions.count["get-vendors"] == 0


@pytest.mark.parametrize(("message", "status"), [("Unauthorized", 401), ("broken", 500)])
async def test_an_authorizer_that_raises(serve, message, status):
    served = await serve(http_routes=GUARDED)
    served.functions.raises("gate", message)
    assert (await served.ask("GET", "/primary/vendors", headers=("Auth: me",))).status == status
    assert served.functions.count["get-vendors"] == 0


async def test_P08_a_result_that_is_none_is_told_in_the_log(serve, caplog):
    served = await serve()
    served.functions.handlers["get-vendors"] = lambda event: {"statusCode": 200, "body": {"a": 1}}
    answer = await served.ask("GET", "/primary/vendors")
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')
    assert "get-vendors: the result is not a proxy result; the client gets 500" in caplog.text


async def test_P15_a_request_line_and_headers_of_more_than_10240_bytes(serve):
    served = await serve()
    answer = await served.ask("GET", "/primary/vendors", headers=(f"X-Fill: {'x' * 10_240}",))
    assert answer.status == 431
    assert answer["apigw-requestid"] is not None
    assert served.functions.count == {}


async def test_P17_a_throttled_request(serve):
    served = await serve(http_routes=(HttpRoute("GET", "/vendors", "get-vendors", throttle=Throttle(0, 1)),))
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    answer = await served.ask("GET", "/primary/vendors")
    assert (answer.status, answer.body) == (429, b'{"message":"Too Many Requests"}')
    assert served.functions.count == {"get-vendors": 1}
