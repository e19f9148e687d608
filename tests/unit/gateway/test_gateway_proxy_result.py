"""What a handler's return value means (H03, H04, H05, P06, P07)."""

import json

import pytest

from simulator.gateway.proxy_result import Failure, ProxyResult, parse_proxy_result


def parse(value):
    return parse_proxy_result(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        pytest.param({"statusCode": 200}, ProxyResult(200), id="status alone"),
        pytest.param({"statusCode": "201"}, ProxyResult(201), id="status as text"),
        pytest.param({"statusCode": 599, "body": ""}, ProxyResult(599), id="highest status"),
        pytest.param({"statusCode": 200, "body": "né"}, ProxyResult(200, body="né".encode()), id="body"),
        pytest.param({"statusCode": 200, "body": None, "headers": None}, ProxyResult(200), id="nulls"),
        pytest.param(
            {"statusCode": 200, "body": "AP8=", "isBase64Encoded": True},
            ProxyResult(200, body=b"\x00\xff"),
            id="base64",
        ),
        pytest.param(
            {"statusCode": 200, "body": "AP8=", "isBase64Encoded": "yes"}, ProxyResult(200, body=b"AP8="), id="not true"
        ),
        pytest.param(
            {"statusCode": 200, "headers": {"X-N": 5, "X-B": True, "X-S": "s"}},
            ProxyResult(200, {"X-N": "5", "X-B": "true", "X-S": "s"}),
            id="header values become text",
        ),
        pytest.param(
            {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}},
            ProxyResult(200, multi_value_headers={"Set-Cookie": ("a=1", "b=2")}),
            id="multi-value headers",
        ),
        pytest.param({"statusCode": 200, "cookies": ["a=1"]}, ProxyResult(200, cookies=("a=1",)), id="cookies"),
        pytest.param({"statusCode": 200, "unknown": [1]}, ProxyResult(200), id="more keys"),
    ],
)
def test_a_well_formed_result_is_read(returned, result):
    assert parse(returned) == result


@pytest.mark.parametrize(
    "returned",
    [
        pytest.param(None, id="null"),
        pytest.param("ok", id="string"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty"),
        pytest.param({"body": "x"}, id="no status"),
        pytest.param({"statusCode": None}, id="null status"),
        pytest.param({"statusCode": True}, id="boolean status"),
        pytest.param({"statusCode": 200.5}, id="fractional status"),
        pytest.param({"statusCode": "ok"}, id="word for a status"),
        pytest.param({"statusCode": "²00"}, id="digit that is no digit"),
        pytest.param({"statusCode": 101}, id="H09 switching protocols"),
        pytest.param({"statusCode": 199}, id="too low"),
        pytest.param({"statusCode": 600}, id="too high"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, id="object for a body"),
        pytest.param({"statusCode": 200, "body": 5}, id="number for a body"),
        pytest.param({"statusCode": 200, "body": "@", "isBase64Encoded": True}, id="broken base64"),
        pytest.param({"statusCode": 200, "headers": ["a"]}, id="list of headers"),
        pytest.param({"statusCode": 200, "multiValueHeaders": {"a": "b"}}, id="one value for many"),
        pytest.param({"statusCode": 200, "cookies": "a=1"}, id="one cookie for many"),
    ],
)
def test_H05_anything_else_is_malformed(returned):
    assert parse(returned) is Failure.MALFORMED


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "broken", "no UTF-8", "deep"])
def test_H05_what_is_no_json_is_malformed(payload):
    assert parse_proxy_result(payload) is Failure.MALFORMED


@pytest.mark.parametrize(
    "value", ["a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\x00b", "a\x0bb"], ids=["crlf", "lf", "cr", "nul", "vt"]
)
@pytest.mark.parametrize("where", ["headers", "multiValueHeaders", "cookies"])
def test_a_handler_cannot_start_another_header_line_by_a_value(where, value):
    shaped = {"headers": {"x": value}, "multiValueHeaders": {"x": [value]}, "cookies": [value]}[where]
    result = parse({"statusCode": 200, where: shaped})
    assert isinstance(result, ProxyResult)
    texts = [*result.headers.values(), *result.cookies, *(v for vs in result.multi_value_headers.values() for v in vs)]
    assert len(texts) == 1
    assert texts[0].isprintable()


@pytest.mark.parametrize("name", ["", "a b", "a:b", "X\r\nSet-Cookie: x=1\r\nY", "é", "a\x00"])
@pytest.mark.parametrize("where", ["headers", "multiValueHeaders"])
def test_a_handler_cannot_start_another_header_line_by_a_name(where, name):
    shaped = {name: "v"} if where == "headers" else {name: ["v"]}
    assert parse({"statusCode": 200, where: shaped}) is Failure.MALFORMED


def test_a_body_with_a_lone_surrogate_does_not_break_the_answer():
    result = parse({"statusCode": 200, "body": "\ud800"})
    assert isinstance(result, ProxyResult)
    assert result.body == b"\xed\xa0\x80"
