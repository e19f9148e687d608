"""Lambda authorizers of HTTP APIs: events, answers, and how long an answer holds."""

import json

import pytest

from simulator.gateway import authorizer_cache
from simulator.gateway.authorizer_cache import AuthorizerCache
from simulator.gateway.authorizers import Answer, Refused, read_answer
from simulator.gateway.http_answers import HttpAnswer
from simulator.gateway.http_api import HttpApiRules, InvokeHttpAuthorizer, InvokeHttpRoute
from simulator.gateway.moment import Moment
from simulator.gateway.settings import GatewaySettings
from simulator.gateway.throttling import AccountThrottle
from simulator.http11 import HttpRequest
from simulator.stack.model import Authorizer, Cors, HttpApi, HttpRoute, IdentitySource

DOMAIN = "h4x0r9d7xa.execute-api.us-east-1.amazonaws.com"
REQUEST_ID = "Uz7RBGmNoAMFqPA="
ARN = "arn:aws:execute-api:us-east-1:123456789012:h4x0r9d7xa/primary/GET/vendors"
AUTH = IdentitySource("header", "Authorization")
HEADERS = (
    ("Accept", "application/json"),
    ("Accept", "text/plain"),
    ("Cookie", "theme=dark; lang=en"),
    ("Host", DOMAIN),
    ("Connection", "keep-alive"),
    ("User-Agent", "curl/8.5.0"),
)


def gate(*sources, payload_format="2.0", ttl_s=0, simple=True, name="gate"):
    return Authorizer(name, "gate", sources, 200, payload_format, simple, ttl_s)


def rules_of(authorizer, *, route_format="2.0", more=(), **api):
    route = HttpRoute("GET", "/vendors", "get-vendors", payload_format=route_format, authorizer=authorizer)
    settings = GatewaySettings()
    return HttpApiRules(
        HttpApi("Http", "h4x0r9d7xa", "http", "primary", (route, *more), **api),
        DOMAIN,
        account_id="123456789012",
        region="us-east-1",
        settings=settings,
        account=AccountThrottle(settings),
    )


def handle(rules, target="/primary/vendors", headers=(("authorization", "me"),), *, now_s=0.0, method="GET", body=b""):
    return rules.handle(
        HttpRequest(method, target, tuple(headers), body, keep_alive=True, upgrade=False),
        "198.51.100.7",
        request_id=REQUEST_ID,
        trace_id="Root=1-65f0c37e-0a1b2c3d4e5f60718293a4b5",
        now=Moment(1_710_277_502_431, now_s),
    )


def said(document, *, simple=True):
    return read_answer(json.dumps(document).encode(), None, simple_responses=simple)


def policy(effect="Allow", resource=ARN, **more):
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    return said({"principalId": "me", "policyDocument": {"Statement": statement}, **more}, simple=False)


YES, NO = said({"isAuthorized": True}), said({"isAuthorized": False})


def go_on(rules, asked, answer, now_s=0.0):
    assert isinstance(asked, InvokeHttpAuthorizer), asked
    return rules.authorizer_returned(asked, answer, Moment(0, now_s))


def event_of(decided):
    assert not isinstance(decided, HttpAnswer), decided
    return json.loads(decided.payload)


def told(answer):
    assert isinstance(answer, HttpAnswer), answer
    assert ("apigw-requestid", REQUEST_ID) in answer.headers
    return answer.status, answer.body


# -- what the authorizer is asked --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("payload_format", "sample"), [("1.0", "1_0"), ("2.0", "2_0")])
def test_an_authorizer_event_is_the_sample(sample_event, payload_format, sample):
    sources = (IdentitySource("header", "accept"), IdentitySource("querystring", "limit"))
    rules = rules_of(gate(*sources, payload_format=payload_format), route_format=payload_format)
    asked = handle(rules, "/primary/vendors?limit=2&tag=a&tag=b%20c", HEADERS)
    assert event_of(asked) == sample_event(f"http_authorizer_{sample}")


@pytest.mark.parametrize("payload_format", ["1.0", "2.0"])
def test_an_authorizer_does_not_see_the_body(payload_format):
    event = event_of(handle(rules_of(gate(payload_format=payload_format)), body=b"secret"))
    assert {"body", "isBase64Encoded"} & set(event) == set()
    assert "secret" not in json.dumps(event)


@pytest.mark.parametrize("payload_format", ["1.0", "2.0"])
def test_without_identity_sources_there_is_no_identity(payload_format):
    event = event_of(handle(rules_of(gate(payload_format=payload_format))))
    assert {"identitySource", "authorizationToken"} & set(event) == set()


def test_the_method_arn_names_the_path_that_was_asked_for():
    rules = rules_of(None, more=(HttpRoute("ANY", "/v/{id}", "f", authorizer=gate()),), stage_variables={"a": "b"})
    event = event_of(handle(rules, "/primary/v/7%20a", method="PUT"))
    assert event["routeArn"] == "arn:aws:execute-api:us-east-1:123456789012:h4x0r9d7xa/primary/PUT/v/7 a"
    assert (event["routeKey"], event["pathParameters"], event["stageVariables"]) == (
        "ANY /v/{id}",
        {"id": "7 a"},
        {"a": "b"},
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(IdentitySource("context", "routeKey"), "GET /vendors", id="route key"),
        pytest.param(IdentitySource("context", "identity.sourceIp"), "198.51.100.7", id="address"),
        pytest.param(IdentitySource("context", "httpMethod"), "GET", id="method"),
        pytest.param(IdentitySource("context", "stage"), "primary", id="stage"),
        pytest.param(IdentitySource("stageVariables", "colour"), "blue", id="stage variable"),
        pytest.param(IdentitySource("querystring", "q"), "1 2", id="query, decoded"),
    ],
)
def test_identity_sources(source, expected):
    rules = rules_of(gate(source), stage_variables={"colour": "blue"})
    assert event_of(handle(rules, "/primary/vendors?q=1%202"))["identitySource"] == [expected]


@pytest.mark.parametrize("headers", [(), (("Authorization", ""),)])
def test_who_does_not_say_who_he_is_gets_401_unseen(headers):
    rules = rules_of(gate(AUTH), cors=Cors(allow_origins=("*",)))
    answer = handle(rules, headers=(*headers, ("Origin", "https://a.test")))
    assert told(answer) == (401, b'{"message":"Unauthorized"}')
    assert ("access-control-allow-origin", "*") in answer.headers


# -- what it answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(NO, (403, b'{"message":"Forbidden"}'), id="no"),
        pytest.param(policy("Deny"), (403, b'{"message":"Forbidden"}'), id="deny"),
        pytest.param(policy(resource=f"{ARN}/x"), (403, b'{"message":"Forbidden"}'), id="allows something else"),
        pytest.param(Refused(401, "raised"), (401, b'{"message":"Unauthorized"}'), id="raised Unauthorized"),
        pytest.param(Refused(500, "broken"), (500, b'{"message":"Internal Server Error"}'), id="no usable answer"),
    ],
)
def test_who_may_not_is_told_so(answer, expected):
    rules = rules_of(gate(AUTH, ttl_s=60))
    assert told(go_on(rules, handle(rules), answer)) == expected


CONTEXT = {"text": "a", "number": 1, "list": ["x"], "map": {"y": None}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(said({"isAuthorized": True, "context": CONTEXT}), {"lambda": CONTEXT}, id="simple"),
        pytest.param(policy(context=CONTEXT), {"lambda": CONTEXT}, id="policy"),
        pytest.param(YES, {"lambda": None}, id="no context"),
        pytest.param(policy(context={}), {"lambda": None}, id="empty context"),
    ],
)
def test_the_context_reaches_a_function_of_format_2_0(answer, expected):
    rules = rules_of(gate())
    invoked = go_on(rules, handle(rules), answer)
    assert isinstance(invoked, InvokeHttpRoute)
    assert invoked.route.function == "get-vendors"
    event = event_of(invoked)
    assert event["requestContext"].pop("authorizer") == expected
    assert event == event_of(handle(rules_of(None)))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(said({"isAuthorized": True, "context": CONTEXT}), CONTEXT, id="simple"),
        pytest.param(policy(context=CONTEXT), {**CONTEXT, "principalId": "me"}, id="policy"),
        pytest.param(YES, {}, id="no context"),
    ],
)
def test_the_context_is_flat_in_format_1_0(answer, expected):
    rules = rules_of(gate(), route_format="1.0")
    event = event_of(go_on(rules, handle(rules), answer))
    assert event["requestContext"].pop("authorizer") == expected
    assert event == event_of(handle(rules_of(None, route_format="1.0")))


@pytest.mark.parametrize("route_format", ["1.0", "2.0"])
def test_a_route_without_authorizer_has_none_in_its_event(route_format):
    assert "authorizer" not in event_of(handle(rules_of(None, route_format=route_format)))["requestContext"]


# -- how long an answer holds ------------------------------------------------------------------------------------------


def test_an_answer_holds_for_its_time_and_the_same_identity():
    rules = rules_of(gate(AUTH, ttl_s=60))
    go_on(rules, handle(rules, now_s=5.0), YES, now_s=10.0)
    assert isinstance(handle(rules, now_s=69.9), InvokeHttpRoute)
    assert isinstance(handle(rules, headers=[("Authorization", "you")], now_s=69.9), InvokeHttpAuthorizer)
    assert isinstance(handle(rules, now_s=70.0), InvokeHttpAuthorizer)


def test_a_refusal_is_kept_as_well():
    rules = rules_of(gate(AUTH, ttl_s=60))
    go_on(rules, handle(rules), NO)
    assert told(handle(rules, now_s=1.0))[0] == 403


@pytest.mark.parametrize("failure", [Refused(401, "raised"), Refused(500, "broken")])
def test_an_error_is_not_kept(failure):
    rules = rules_of(gate(AUTH, ttl_s=60))
    go_on(rules, handle(rules), failure)
    assert isinstance(handle(rules, now_s=1.0), InvokeHttpAuthorizer)


def test_without_a_time_nothing_is_kept():
    rules = rules_of(gate(AUTH, ttl_s=0))
    go_on(rules, handle(rules), YES)
    assert isinstance(handle(rules), InvokeHttpAuthorizer)


def test_a_kept_policy_is_held_against_each_route_and_a_simple_answer_opens_all():
    def of(*, simple):
        authorizer = gate(AUTH, ttl_s=60, simple=simple)
        return rules_of(authorizer, more=(HttpRoute("GET", "/other", "other", authorizer=authorizer),))

    rules = of(simple=False)
    go_on(rules, handle(rules), policy(context={"a": 1}))
    assert event_of(handle(rules))["requestContext"]["authorizer"] == {"lambda": {"a": 1}}
    assert told(handle(rules, "/primary/other"))[0] == 403
    rules = of(simple=True)
    go_on(rules, handle(rules), YES)
    assert isinstance(handle(rules, "/primary/other"), InvokeHttpRoute)


def test_the_route_key_among_the_sources_keeps_routes_apart():
    authorizer = gate(AUTH, IdentitySource("context", "routeKey"), ttl_s=60)
    rules = rules_of(authorizer, more=(HttpRoute("GET", "/other", "other", authorizer=authorizer),))
    go_on(rules, handle(rules), YES)
    assert isinstance(handle(rules), InvokeHttpRoute)
    assert isinstance(handle(rules, "/primary/other"), InvokeHttpAuthorizer)


def test_two_authorizers_do_not_share_their_answers():
    other = HttpRoute("GET", "/other", "other", authorizer=gate(AUTH, ttl_s=60, name="another"))
    rules = rules_of(gate(AUTH, ttl_s=60), more=(other,))
    go_on(rules, handle(rules), YES)
    assert isinstance(handle(rules, "/primary/other"), InvokeHttpAuthorizer)


def test_made_up_identities_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(authorizer_cache, "MAX_ENTRIES", 3)
    cache, authorizer, answer = AuthorizerCache(), gate(AUTH, ttl_s=60), Answer("", {}, simple=True)
    for number in range(5):
        cache.keep(authorizer, (str(number),), answer, 0.0)
    cache.keep(authorizer, ("3",), answer, 1.0)
    assert len(cache) == 3
    assert [cache.find(authorizer, (str(number),), 2.0) is not None for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert cache.find(authorizer, ("2",), 60.0) is None
    assert len(cache) == 2
