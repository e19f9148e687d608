"""What the gateway says of its posts, as the story of deliveries that were lost.

Pure. A local stack keeps the latest posts that did not simply arrive (`simulator.gateway.post_troubles`), by the body
that was posted and the socket that it was for, and how much was written to each socket. Here they become what happened
to an update on its way to a subscriber.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

NOT_POSTED = "not posted"
NOT_READ = "written and not read"


def socket_stories(told: Mapping[str, Any], peers: Mapping[str, int], read_bytes: Mapping[str, int]) -> dict[int, str]:
    """By subscriber whose socket is open: what happened to that of which no trouble is told.

    When everything that was written to the socket has been read, it was never written: nobody posted it. Of one who has
    come back nothing is told, for the loss may belong to an earlier socket.
    """
    written = told.get("written_bytes")
    if not isinstance(written, dict):
        return {}
    sockets = Counter(peers.values())
    return {
        peers[peer]: NOT_POSTED if count == read_bytes[peer] else NOT_READ
        for peer, count in written.items()
        if peer in peers and peer in read_bytes and sockets[peers[peer]] == 1
    }


def post_stories(told: Mapping[str, Any], peers: Mapping[str, int]) -> dict[tuple[str, int], str]:
    """By update and subscriber, such as `post answered 429 and left hanging for 10 s`.

    `peers` is the subscriber behind each socket's address. What is no such thing in `told` is passed over.
    """
    found: dict[tuple[str, int], dict[str, None]] = {}
    posts = told.get("posts")
    for post in posts if isinstance(posts, list) else ():
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
