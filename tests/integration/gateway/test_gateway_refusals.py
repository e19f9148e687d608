"""Who does not get in, on real sockets: authorizers (A rows), throttles (H14, L11, C14, P17), hosts, signatures."""

import asyncio
import json

import boto3
import pytest
from botocore.config import Config
from websockets.exceptions import InvalidStatus

from simulator.stack.model import Authorizer, IdentitySource, Throttle

GATE = Authorizer("Gate", "gate", (IdentitySource("querystring", "token"),), timeout_ms=200)
ROUTES = {"$connect": {"authorizer": GATE}, "$disconnect": {}, "$default": {}}
OPEN = {"$connect": {}, "$disconnect": {}, "$default": {}}
PATIENCE_S = 10.0


def policy(effect, **more):
    def handler(event):
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
        return {
            "principalId": "vendor-7",
            "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            **more,
        }

    return handler


async def status_of(served, query="", **options):
    with pytest.raises(InvalidStatus) as refused:
        await served.client(served.websocket_url + query, **options)
    return refused.value.response.status_code


# -- authorizers -------------------------------------------------------------------------------------------------------


async def test_A05_an_authorised_client_connects_and_its_context_is_in_every_event(serve):
    served = await serve(ROUTES)
    served.functions.handlers["gate"] = policy("Allow", context={"vendorId": 7, "fresh": True})
    client = await served.client(served.websocket_url + "?token=t")
    await client.send("hello")
    await client.close()
    for function in ("on-connect", "on-default", "on-disconnect"):
        said = (await served.functions.event(function))["requestContext"]["authorizer"]
        assert said.pop("integrationLatency").isdigit()
        assert said == {"principalId": "vendor-7", "vendorId": "7", "fresh": "true"}


async def test_A02_a_client_without_identity_gets_401_and_the_authorizer_is_not_asked(serve):
    served = await serve(ROUTES)
    assert await status_of(served) == 401
    assert served.functions.count == {}


async def test_A03_deny_is_403_and_connect_does_not_run(serve):
    served = await serve(ROUTES)
    served.functions.handlers["gate"] = policy("Deny")
    assert await status_of(served, "?token=t") == 403
    assert served.functions.count["on-connect"] == 0


async def test_A03_an_authorizer_that_breaks_is_500(serve, caplog):
    served = await serve(ROUTES)
    served.functions.raises("gate")
    assert await status_of(served, "?token=t") == 500
    assert "the client gets 500" in caplog.text


async def test_A03_an_authorizer_that_takes_too_long_is_500(serve):
    served = await serve(ROUTES)
    never = asyncio.Event()
    served.functions.handlers["gate"] = lambda event: never.wait()
    assert await status_of(served, "?token=t") == 500
    never.set()


# -- throttles ---------------------------------------------------------------------------------------------------------


async def test_H14_a_handshake_beyond_the_rate_is_429(serve):
    served = await serve(OPEN, settings={"connects_burst": 1, "connects_per_s": 0})
    await served.client()
    assert await status_of(served) == 429


async def test_L11_a_message_beyond_the_rate_is_told_on_the_socket(serve):
    served = await serve({**OPEN, "$default": {"throttle": Throttle(rate_per_s=0, burst=1)}})
    client, connection_id = await served.client_and_id()
    await client.send("1")
    await client.send("2")
    frame = json.loads(await asyncio.wait_for(client.recv(), PATIENCE_S))
    assert (frame["message"], frame["connectionId"]) == ("Too Many Requests", connection_id)
    await asyncio.wait_for(await client.ping(), PATIENCE_S)


async def test_C14_callbacks_beyond_the_accounts_rate_are_429_limit_exceeded(serve):
    # One token goes to the handshake.
    served = await serve(OPEN, settings={"account_burst": 2, "account_rate_per_s": 0})
    client, connection_id = await served.client_and_id()
    boto3_client = served.boto3_client()
    await asyncio.to_thread(boto3_client.post_to_connection, ConnectionId=connection_id, Data=b"1")
    with pytest.raises(boto3_client.exceptions.LimitExceededException):
        await asyncio.to_thread(boto3_client.post_to_connection, ConnectionId=connection_id, Data=b"2")
    assert await asyncio.wait_for(client.recv(), PATIENCE_S) == "1"


async def test_P17_requests_beyond_the_accounts_rate_are_429(serve):
    served = await serve(OPEN, settings={"account_burst": 1, "account_rate_per_s": 0})
    assert (await served.ask("GET", "/primary/vendors")).status == 200
    answer = await served.ask("GET", "/primary/vendors")
    assert (answer.status, answer.body) == (429, b'{"message":"Too Many Requests"}')


# -- hosts and signatures ----------------------------------------------------------------------------------------------


async def test_C11_a_callback_to_another_host_is_403(serve):
    served = await serve(OPEN)
    _client, connection_id = await served.client_and_id()
    raw = await served.raw()
    lines = [
        f"POST /primary/@connections/{connection_id} HTTP/1.1",
        "Host: other.execute-api.eu-west-1.amazonaws.com",
        "Content-Length: 1",
    ]
    raw.send(("\r\n".join(lines) + "\r\n\r\nx").encode())
    answer = await raw.answer()
    assert (answer.status, answer["x-amzn-errortype"]) == (403, "ForbiddenException")


async def test_H12_a_handshake_on_another_host_is_403(serve):
    raw = await (await serve(OPEN)).raw()
    raw.send(raw_upgrade("other.execute-api.eu-west-1.amazonaws.com"))
    assert (await raw.answer()).status == 403


def raw_upgrade(host):
    return (
        f"GET /primary HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


async def test_C03_with_strict_signatures_boto3_gets_through_and_a_wrong_secret_does_not(serve):
    served = await serve(OPEN, settings={"verify_signatures": True})
    client, connection_id = await served.client_and_id()
    good = served.boto3_client()
    await asyncio.to_thread(good.post_to_connection, ConnectionId=connection_id, Data=b"hi")
    assert await asyncio.wait_for(client.recv(), PATIENCE_S) == "hi"
    bad = boto3.Session(aws_access_key_id="dummy", aws_secret_access_key="wrong", region_name="us-east-1").client(
        "apigatewaymanagementapi",
        endpoint_url=f"http://127.0.0.1:{served.port}/primary",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(bad.exceptions.ClientError, match="The Canonical String for this request should have been"):
        await asyncio.to_thread(bad.post_to_connection, ConnectionId=connection_id, Data=b"hi")
    bad.close()


async def test_C11_with_strict_signatures_an_unsigned_callback_is_refused(serve):
    served = await serve(OPEN, settings={"verify_signatures": True})
    _client, connection_id = await served.client_and_id()
    answer = await served.ask("POST", f"/primary/@connections/{connection_id}", b"x")
    assert (answer.status, answer.body) == (403, b'{"message":"Missing Authentication Token"}')
