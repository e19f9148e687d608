from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from simulator.cloud import http_server
from simulator.cloud.http_server import HttpServer, Reply, listen_on_loopback

Application = Callable[[dict[str, Any]], Reply]


def echo(environ: dict[str, Any]) -> Reply:
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("broken")
    told = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "raw": environ["RAW_URI"],
        "type": environ.get("CONTENT_TYPE"),
        "x": environ.get("HTTP_X_TWICE"),
        "length": environ["CONTENT_LENGTH"],
        "body": environ["wsgi.input"].read().decode(),
    }
    return Reply(200, [("Content-Type", "application/json"), ("Content-Length", "9")], json.dumps(told).encode())


@pytest.fixture
def server() -> Iterator[HttpServer]:
    http = HttpServer(listen_on_loopback(), echo)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield http
    http.close()
    # A thread that waits in accept() does not notice that its socket was closed; a last visitor wakes it.
    with socket.socket() as visitor:
        visitor.connect_ex(http.address)
    thread.join()


def exchange(server: HttpServer, *pieces: bytes) -> bytes:
    """Send `pieces` one by one on one connection, and read until the server closes it."""
    with socket.create_connection(server.address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while data := connection.recv(65_536):
            answer += data
        return answer


def test_only_this_machine_can_reach_it(server: HttpServer) -> None:
    assert server.address[0] == "127.0.0.1"


def test_one_connection_carries_many_requests(server: HttpServer) -> None:
    client = http.client.HTTPConnection(*server.address)
    client.connect()
    local = client.sock.getsockname()
    for number in range(3):
        client.request("POST", f"/p%20q?a={number}", b"body", {"Content-Type": "text/x"})
        answer = client.getresponse()
        told = json.loads(answer.read())
        assert (answer.status, told["path"], told["query"], told["body"]) == (200, "/p q", f"a={number}", "body")
        assert (told["raw"], told["type"], told["length"]) == (f"/p%20q?a={number}", "text/x", "4")
    assert client.sock.getsockname() == local
    client.close()


REQUEST = (
    b"POST /a HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nX-Twice: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([REQUEST], id="whole"),
        pytest.param([bytes([byte]) for byte in REQUEST], id="byte-by-byte"),
        pytest.param([REQUEST[:-2], REQUEST[-2:]], id="body-in-two"),
    ],
)
def test_a_request_may_come_in_pieces(server: HttpServer, pieces: list[bytes]) -> None:
    head, _, body = exchange(server, *pieces).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close" in head
    assert b"Content-Length: %d" % len(body) in head
    told = json.loads(body)
    assert (told["body"], told["x"]) == ("abc", "1,2")


def test_requests_sent_at_once_are_answered_in_order(server: HttpServer) -> None:
    first = b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
    answer = exchange(server, first + REQUEST)
    assert [answer.index(b'"/1"') < answer.index(b'"/a"'), answer.count(b"HTTP/1.1 200")] == [True, 2]


def test_a_chunked_body_arrives_whole(server: HttpServer) -> None:
    request = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = exchange(server, request, b"2\r\nab\r\n", b"1\r\nc\r\n0\r\n\r\n")
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (told["body"], told["length"]) == ("abc", "3")


def test_a_client_that_asks_first_is_told_to_go_on(server: HttpServer) -> None:
    head = b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
    with socket.create_connection(server.address) as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ok")
        assert b'"body": "ok"' in connection.recv(65_536)


def test_the_answer_to_head_has_a_length_and_no_body(server: HttpServer) -> None:
    answer = exchange(server, b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 9\r\n" in answer


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x16\x03\x01 hello\r\n\r\n", id="tls"),
        pytest.param(b"GET\r\n\r\n", id="no-target"),
    ],
)
def test_what_is_not_http_is_refused(server: HttpServer, garbage: bytes) -> None:
    assert exchange(server, garbage).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_an_offer_to_upgrade_is_not_taken(server: HttpServer) -> None:
    request = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert exchange(server, request).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_body_without_end_is_refused(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "MAX_BODY_BYTES", 10)
    answer = exchange(server, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n12345678901")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_failing_application_is_a_500_and_the_connection_goes_on(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = http.client.HTTPConnection(*server.address)
    with caplog.at_level(logging.ERROR):
        client.request("GET", "/fail")
        answer = client.getresponse()
        assert (answer.status, json.loads(answer.read())["__type"]) == (500, "InternalServerError")
    assert "GET /fail failed" in caplog.text
    client.request("GET", "/fine")
    assert client.getresponse().status == 200
    client.close()
