"""`@connections` over the wire, by boto3 and by hand (C rows)."""

import asyncio
import json
import socket
import uuid

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed

from simulator.gateway import channel
from simulator.gateway.ids import is_connection_id

UNKNOWN = "L0SM9cOFvHcCIhw="


def path_of(connection_id, stage="primary"):
    return f"/{stage}/@connections/{connection_id}"


async def call(operation, **arguments):
    return await asyncio.to_thread(operation, **arguments)


async def test_C01_boto3_posts_gets_and_deletes(serve):
    served = await serve()
    client, connection_id = await served.client_and_id(user_agent_header="sim/1.0")
    callbacks = served.boto3_client()
    await call(callbacks.post_to_connection, ConnectionId=connection_id, Data=b'{"hello":"world"}')
    assert await client.recv() == '{"hello":"world"}'
    told = await call(callbacks.get_connection, ConnectionId=connection_id)
    assert told["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "sim/1.0"}
    assert told["ConnectedAt"] <= told["LastActiveAt"]
    gone = await call(callbacks.delete_connection, ConnectionId=connection_id)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204


@pytest.mark.parametrize("segment", ["@connections", "%40connections"])
@pytest.mark.parametrize("padding", ["=", "%3D", "%3d"])
async def test_C02_raw_and_encoded_paths_are_the_same(serve, segment, padding):
    served = await serve()
    client, connection_id = await served.client_and_id()
    answer = await served.ask("POST", f"/primary/{segment}/{connection_id[:-1]}{padding}", b"hello")
    assert answer.status == 200
    assert await client.recv() == "hello"


async def test_C04_a_post_is_answered_200_with_an_empty_body(serve):
    served = await serve()
    client, connection_id = await served.client_and_id()
    answer = await served.ask("POST", path_of(connection_id), "né".encode())
    assert (answer.status, answer.body, answer["content-length"]) == (200, b"", "0")
    assert answer["content-type"] == "application/json"
    assert uuid.UUID(answer["x-amzn-requestid"])
    assert is_connection_id(answer["x-amz-apigw-id"])
    assert answer["x-amzn-trace-id"].startswith("Root=1-")
    assert await client.recv() == "né"


async def test_C05_a_delete_is_answered_204_and_closes_with_1000(serve):
    served = await serve()
    client, connection_id = await served.client_and_id()
    answer = await served.ask("DELETE", path_of(connection_id))
    assert (answer.status, answer.body) == (204, b"")
    assert (answer["content-type"], answer["content-length"]) == (None, None)
    with pytest.raises(ConnectionClosed) as caught:
        await client.recv()
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1000, "Connection Closed Normally")
    context = (await served.functions.event("on-disconnect"))["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1000, "Connection Closed Normally")
    assert (await served.ask("DELETE", path_of(connection_id))).status == 410


async def test_C05_a_deleted_connection_is_gone_at_once_though_the_client_has_not_answered(serve):
    served = await serve()
    raw = await served.upgraded()
    connection_id = (await served.functions.event("on-connect"))["requestContext"]["connectionId"]
    assert (await served.ask("DELETE", path_of(connection_id))).status == 204
    assert (await served.ask("POST", path_of(connection_id), b"x")).status == 410
    raw.send(served.masked_frame(8))
    assert (await raw.rest())[:1] == b"\x88"
    context = (await served.functions.event("on-disconnect"))["requestContext"]
    assert context["disconnectStatusCode"] == 1000


async def test_C05_a_client_that_does_not_answer_the_close_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(channel, "_CLOSE_TIMEOUT_S", 0)
    served = await serve()
    raw = await served.upgraded()
    connection_id = (await served.functions.event("on-connect"))["requestContext"]["connectionId"]
    assert (await served.ask("DELETE", path_of(connection_id))).status == 204
    assert (await raw.rest())[:1] in {b"\x88", b""}
    context = (await served.functions.event("on-disconnect"))["requestContext"]
    assert context["disconnectStatusCode"] == 1000


async def test_C06_a_get_is_pretty_and_has_null_for_no_user_agent(serve):
    served = await serve()
    raw = await served.upgraded()
    connection_id = (await served.functions.event("on-connect"))["requestContext"]["connectionId"]
    answer = await served.ask("GET", path_of(connection_id))
    document = json.loads(answer.body)
    assert (answer.status, answer["content-type"]) == (200, "application/json")
    assert set(document) == {"connectedAt", "identity", "lastActiveAt"}
    assert document["identity"] == {"sourceIp": "127.0.0.1", "userAgent": None}
    assert document["connectedAt"].endswith("Z")
    assert b"\n" in answer.body
    told = await call(served.boto3_client().get_connection, ConnectionId=connection_id)
    assert "UserAgent" not in told["Identity"]
    await raw.close()


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_C08_an_unknown_connection_is_410_with_the_header_alone(serve, method):
    served = await serve()
    answer = await served.ask(method, path_of(UNKNOWN), b"x")
    assert (answer.status, answer.body, answer["x-amzn-errortype"]) == (410, b"", "GoneException")


async def test_C08_a_closed_connection_is_410(serve):
    served = await serve()
    client, connection_id = await served.client_and_id()
    await client.close()
    await served.functions.event("on-disconnect")
    assert (await served.ask("POST", path_of(connection_id), b"x")).status == 410


async def test_C09_boto3_raises_its_gone_exception(serve):
    served = await serve()
    callbacks = served.boto3_client()
    with pytest.raises(callbacks.exceptions.GoneException) as caught:
        await call(callbacks.post_to_connection, ConnectionId=UNKNOWN, Data=b"x")
    assert caught.value.response["Error"]["Message"] == ""


@pytest.mark.parametrize("connection_id", ["WDGT8fY4joECJrQ=test", "bot_1", "6f1c2a54-0b0e-4d59-9f27-3a8d5c1e7b10"])
async def test_C10_a_malformed_id_is_400_and_no_modelled_exception(serve, connection_id):
    served = await serve()
    answer = await served.ask("POST", path_of(connection_id), b"x")
    assert (answer.status, answer["x-amzn-errortype"]) == (400, "BadRequestException")
    assert answer.body == f'{{"message":"Invalid connectionId: {connection_id}"}}'.encode()
    with pytest.raises(ClientError) as caught:
        await call(served.boto3_client().post_to_connection, ConnectionId=connection_id, Data=b"x")
    assert caught.value.response["Error"]["Code"] == "BadRequestException"


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        pytest.param("POST", f"/other/@connections/{UNKNOWN}", "Forbidden", id="C11 wrong stage"),
        pytest.param("PUT", f"/primary/@connections/{UNKNOWN}", "Forbidden", id="C11 no such method"),
        pytest.param(
            "POST",
            f"/a/b/@connections/{UNKNOWN}",
            f"No method found matching route a/b/@connections/{UNKNOWN} for http method POST",
            id="C12 a segment too many",
        ),
        pytest.param(
            "POST",
            "/primary/@connections/",
            "No method found matching route primary/@connections/ for http method POST",
            id="C12 empty id",
        ),
    ],
)
async def test_C11_C12_wrong_paths_are_forbidden(serve, method, path, message):
    served = await serve()
    answer = await served.ask(method, path, b"x")
    assert (answer.status, answer["x-amzn-errortype"]) == (403, "ForbiddenException")
    assert json.loads(answer.body) == {"message": message}


async def test_C13_128_kilobytes_are_one_message_and_one_byte_more_is_too_much(serve):
    served = await serve()
    client, connection_id = await served.client_and_id()
    callbacks = served.boto3_client()
    await call(callbacks.post_to_connection, ConnectionId=connection_id, Data=b"x" * 131_072)
    assert await client.recv() == "x" * 131_072
    with pytest.raises(callbacks.exceptions.PayloadTooLargeException):
        await call(callbacks.post_to_connection, ConnectionId=connection_id, Data=b"x" * 131_073)
    answer = await served.ask("POST", path_of(connection_id), b"x" * 131_073)
    assert (answer.status, answer["x-amzn-errortype"]) == (413, "PayloadTooLargeException")


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_C15_a_connection_whose_connect_has_not_returned_is_410(serve, method):
    served = await serve()
    answers = []

    async def on_connect(event):
        answers.append(await served.ask(method, path_of(event["requestContext"]["connectionId"]), b"too early"))
        return {"statusCode": 200}

    served.functions.handlers["on-connect"] = on_connect
    await served.client()
    assert [answer.status for answer in answers] == [410]


async def test_C16_connect_may_post_to_others(serve):
    served = await serve()
    first, first_id = await served.client_and_id()

    async def on_connect(event):
        answer = await served.ask("POST", path_of(first_id), b"somebody comes")
        return {"statusCode": answer.status}

    served.functions.handlers["on-connect"] = on_connect
    await served.client()
    assert await first.recv() == "somebody comes"


async def test_C19_a_post_without_a_body_is_400(serve):
    served = await serve()
    _, connection_id = await served.client_and_id()
    assert (await served.ask("POST", path_of(connection_id))).status == 400


async def test_a_client_that_leaves_in_the_middle_of_a_broadcast_costs_the_others_nothing(serve):
    served = await serve()
    clients = [await served.client_and_id() for _ in range(6)]
    rounds = 20
    leaver, leaver_id = clients[3]

    async def post(number, connection_id):
        if number == rounds // 2 and connection_id == leaver_id:
            await leaver.close()
        return connection_id, (await served.ask("POST", path_of(connection_id), str(number).encode())).status

    statuses = {connection_id: [] for _, connection_id in clients}
    for number in range(rounds):
        for connection_id, status in await asyncio.gather(*(post(number, one) for _, one in clients)):
            statuses[connection_id].append(status)
    for client, connection_id in clients:
        if connection_id != leaver_id:
            assert statuses[connection_id] == [200] * rounds
            assert [await client.recv() for _ in range(rounds)] == [str(number) for number in range(rounds)]
    assert statuses[leaver_id] == [200] * (rounds // 2) + [410] * (rounds // 2)


async def test_C14_a_client_that_does_not_read_is_refused_and_the_others_are_served(serve):
    served = await serve()
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    slow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", served.port))
    raw = await served.raw(sock=slow, limit=1_024)
    raw.send(served.upgrade_request())
    slow_id = (await served.functions.event("on-connect"))["requestContext"]["connectionId"]
    other, other_id = await served.client_and_id()
    accepted = 0
    while (answer := await served.ask("POST", path_of(slow_id), b"x" * 131_072)).status == 200:
        accepted += 1
        assert accepted < 200
        assert (await served.ask("POST", path_of(other_id), str(accepted).encode())).status == 200
        assert await other.recv() == str(accepted)
    assert (answer.status, answer["x-amzn-errortype"]) == (429, "LimitExceededException")
    callbacks = served.boto3_client()
    with pytest.raises(callbacks.exceptions.LimitExceededException):
        await call(callbacks.post_to_connection, ConnectionId=slow_id, Data=b"x")
    # Nothing that was answered with 200 is lost once the client reads again.
    await raw.answer()
    frame_bytes = 10 + 131_072
    for _ in range(accepted):
        assert (await raw.reader.readexactly(frame_bytes))[10:] == b"x" * 131_072
    assert (await served.ask("POST", path_of(slow_id), b"again")).status == 200
    assert await raw.reader.readexactly(7) == b"\x81\x05again"


async def test_many_posts_on_one_kept_connection_are_answered_in_order(serve):
    served = await serve()
    client, connection_id = await served.client_and_id()
    raw = await served.raw()
    for number in range(200):
        body = str(number).encode()
        raw.send(
            f"POST {path_of(connection_id)} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
    assert [(await raw.answer()).status for _ in range(200)] == [200] * 200
    assert [await client.recv() for _ in range(200)] == [str(number) for number in range(200)]
