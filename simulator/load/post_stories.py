"""What the gateway says of its posts, as the story of deliveries that were lost.

Pure. A local stack keeps the latest posts that did not simply arrive (`simulator.gateway.post_troubles`), by the body
that was posted and the socket that it was for; here they become what happened to an update on its way to a subscriber.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def post_stories(posts: Iterable[Any], peers: Mapping[str, int]) -> dict[tuple[str, int], str]:
    """By update and subscriber, such as `post answered 429 and left hanging for 10 s`.

    `peers` is the subscriber behind each socket's address. What is no such thing in `posts` is passed over.
    """
    found: dict[tuple[str, int], dict[str, None]] = {}
    for post in posts:
        what, sockets = (post.get("what"), post.get("peers")) if isinstance(post, dict) else (None, None)
        if not isinstance(what, str) or not isinstance(sockets, dict):
            continue
        subscribers = [peers[peer] for peer in sockets if peer in peers]
        for update_id in _updates_in(post.get("body")):
            for subscriber in subscribers:
                found.setdefault((update_id, subscriber), {})[what] = None
    return {delivery: f"post {' and '.join(whats)}" for delivery, whats in found.items()}


def _updates_in(body: Any) -> Iterator[str]:
    """The ids of the updates that a body carries: one, or a JSON array of them."""
    try:
        document = json.loads(body)
    except (TypeError, ValueError, RecursionError):
        return
    for each in document if isinstance(document, list) else [document]:
        if isinstance(each, dict) and isinstance(each.get("id"), str):
            yield each["id"]
