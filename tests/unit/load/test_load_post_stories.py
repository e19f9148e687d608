"""What the gateway says of its posts becomes the story of what was lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.load.post_stories import post_stories, socket_stories

PEERS = {"127.0.0.1 1": 7, "127.0.0.1 2": 8}


def post(body: Any, what: str, *peers: str) -> dict[str, Any]:
    return {"body": body if isinstance(body, str) else json.dumps(body), "what": what, "peers": dict.fromkeys(peers, 1)}


def test_each_delivery_is_told_everything_that_happened_to_it_once_and_in_order() -> None:
    posts = [
        post({"id": "a"}, "answered 429", "127.0.0.1 1", "127.0.0.1 2", "127.0.0.1 99"),
        post([{"id": "a"}, {"id": "b"}], "cut off", "127.0.0.1 1"),
        post({"id": "a"}, "answered 429", "127.0.0.1 1"),
    ]
    assert post_stories({"posts": posts}, PEERS) == {
        ("a", 7): "post answered 429 and cut off",
        ("a", 8): "post answered 429",
        ("b", 7): "post cut off",
    }


@pytest.mark.parametrize(
    "strange",
    [
        None,
        {},
        post("no JSON", "x", "127.0.0.1 1"),
        post("[" * 100_000, "x", "127.0.0.1 1"),
        post({"id": 1}, "x", "127.0.0.1 1"),
        post([1, None, {}], "x", "127.0.0.1 1"),
        {"body": None, "what": "x", "peers": {"127.0.0.1 1": 1}},
        {"body": '{"id": "a"}', "what": None, "peers": {"127.0.0.1 1": 1}},
        {"body": '{"id": "a"}', "what": "x", "peers": ["127.0.0.1 1"]},
    ],
)
def test_what_is_no_post_of_an_update_is_passed_over(strange: Any) -> None:
    assert post_stories({"posts": [strange]}, PEERS) == {}


@pytest.mark.parametrize("told", [{}, {"posts": None, "written_bytes": None}, {"posts": 1, "written_bytes": []}])
def test_a_stack_that_tells_nothing_makes_no_story(told: dict[str, Any]) -> None:
    assert post_stories(told, PEERS) == {}
    assert socket_stories(told, PEERS, {"127.0.0.1 1": 5}) == {}


def test_what_was_not_written_to_a_socket_was_not_posted() -> None:
    written = {"127.0.0.1 1": 5, "127.0.0.1 2": 9, "127.0.0.1 99": 1}
    stories = socket_stories({"written_bytes": written}, PEERS, {"127.0.0.1 1": 5, "127.0.0.1 2": 5})
    assert stories == {7: "not posted", 8: "written and not read"}


def test_of_one_who_has_come_back_no_socket_tells_anything() -> None:
    peers = {"127.0.0.1 1": 7, "127.0.0.1 2": 7}
    assert socket_stories({"written_bytes": {"127.0.0.1 2": 5}}, peers, {"127.0.0.1 2": 5}) == {}
