"""Asking the HTTP API for all vendors, against a server that answers what it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from simulator.load.snapshot import SnapshotError, vendors_of


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pages: tuple[tuple[int, bytes], ...] = ()
    asked: list[str]

    def do_GET(self) -> None:
        status, body = self.pages[min(len(self.asked), len(self.pages) - 1)]
        self.asked.append(self.path)
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Answers) as made:
        Answers.asked = []
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def page(cursor: object, *rows: object) -> tuple[int, bytes]:
    return 200, json.dumps({"Items": rows, "lastEvaluatedKey": cursor}).encode()


def asked(server: HTTPServer, *pages: tuple[int, bytes]) -> list[object]:
    Answers.pages = pages
    return list(vendors_of(f"http://127.0.0.1:{server.server_port}/primary", None))


def test_every_page_is_read(server: HTTPServer) -> None:
    assert asked(server, page("a/b=", {"n": 1}, 3), page("c"), page(None, {"n": 2})) == [{"n": 1}, {"n": 2}]
    assert Answers.asked == [
        "/primary/vendors?limit=1000",
        "/primary/vendors?limit=1000&lastEvaluatedKey=a%2Fb%3D",
        "/primary/vendors?limit=1000&lastEvaluatedKey=c",
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, b"{}"), "HTTP 500"),
        ((200, b"<html>"), "the answer is not JSON"),
        ((200, b"[]"), "the answer is no page"),
        (page("for ever"), "there is no end of its pages"),
    ],
)
def test_what_is_no_page_is_told(server: HTTPServer, answer: tuple[int, bytes], words: str) -> None:
    with pytest.raises(SnapshotError, match=words):
        asked(server, answer)


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(SnapshotError, match="no connection: "):
        vendors_of("http://127.0.0.1:9", None)
