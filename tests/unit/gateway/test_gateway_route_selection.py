"""Which route a message takes (M01, M02, M03, M04, M06)."""

import json

import pytest

from simulator.gateway.route_selection import choose_route, compile_expression

BODY = {
    "action": "join",
    "service": {"do": "list", "deep": {"er": "x"}},
    "items": ["item1", "item2"],
    "count": 3,
    "ratio": 1.5,
    "on": True,
    "off": False,
    "nothing": None,
    "empty": "",
}


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        pytest.param("$request.body.action", "join", id="bare"),
        pytest.param("${request.body.action}", "join", id="braces are the same"),
        pytest.param("$request.body.service.do", "list", id="nested"),
        pytest.param("${request.body.service.deep.er}", "x", id="nested deeper"),
        pytest.param("${request.body.action}-${request.body.service.do}", "join-list", id="joined"),
        pytest.param("v1/${request.body.action}", "v1/join", id="literal before"),
        pytest.param("${request.body.action}/v1", "join/v1", id="literal after"),
        pytest.param("${request.body.action}${request.body.count}", "join3", id="no literal between"),
    ],
)
def test_M01_an_expression_picks_from_the_body(expression, asked):
    assert compile_expression(expression)(json.dumps(BODY)) == asked


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        pytest.param("${request.body.action}-${request.body.nope}", "join-", id="missing in a composite is empty"),
        pytest.param("${request.body.nothing}-x", "-x", id="null in a composite is empty"),
        pytest.param("$request.body.items", "[item1, item2]", id="array"),
        pytest.param("$request.body.count", "3", id="integer"),
        pytest.param("$request.body.ratio", "1.5", id="fraction"),
        pytest.param("$request.body.on", "true", id="true"),
        pytest.param("$request.body.off", "false", id="false"),
        pytest.param("$request.body.service", "{do=list, deep={er=x}}", id="object"),
        pytest.param("$request.body.empty", "", id="empty string"),
    ],
)
def test_M02_other_values_become_text(expression, asked):
    assert compile_expression(expression)(json.dumps(BODY)) == asked


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("hello", id="no JSON"),
        pytest.param('{"action": "join"', id="broken JSON"),
        pytest.param('["action"]', id="array"),
        pytest.param('"action"', id="string"),
        pytest.param("null", id="null"),
        pytest.param("{}", id="key missing"),
        pytest.param('{"action": null}', id="null value"),
        pytest.param('{"Action": "join"}', id="other case"),
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param('{"action": ' + "1" * 5_000 + "}", id="a number too long to convert"),
    ],
)
def test_M04_text_without_the_key_asks_for_no_route(text):
    assert compile_expression("$request.body.action")(text) is None


def test_M04_a_path_through_something_that_is_no_object_is_missing():
    assert compile_expression("$request.body.action.do")(json.dumps(BODY)) is None


def test_M04_a_composite_on_text_that_is_no_json_asks_for_no_route():
    assert compile_expression("v1/${request.body.action}")("hello") is None


KEYS = {"$connect", "$disconnect", "$default", "join"}


@pytest.mark.parametrize(
    ("asked", "keys", "chosen"),
    [
        pytest.param("join", KEYS, "join", id="M04 match"),
        pytest.param("leave", KEYS, "$default", id="M04 unmatched"),
        pytest.param(None, KEYS, "$default", id="M04 nothing asked"),
        pytest.param("Join", KEYS, "$default", id="M02 case matters"),
        pytest.param("join ", KEYS, "$default", id="M02 exact"),
        pytest.param("", KEYS, "$default", id="M04 empty"),
        pytest.param("leave", {"join"}, None, id="M05 no default"),
        pytest.param(None, {"join"}, None, id="M05 nothing asked, no default"),
        pytest.param("$connect", KEYS, "$default", id="M06 connect"),
        pytest.param("$disconnect", KEYS, "$default", id="M06 disconnect"),
        pytest.param("$connect", {"$connect", "$disconnect"}, None, id="M06 connect without a default"),
        pytest.param("$default", {"$connect", "join"}, None, id="M06 default that is not there"),
    ],
)
def test_a_message_gets_the_route_it_asks_for_or_the_default(asked, keys, chosen):
    assert choose_route(asked, keys) == chosen


@pytest.mark.parametrize(
    "expression",
    ["", "action", "$request.header.action", "${request.body.a}${request.header.b}", "$request.body.", "$body.action"],
)
def test_an_expression_on_something_else_is_refused(expression):
    with pytest.raises(ValueError, match="route selection expression"):
        compile_expression(expression)
