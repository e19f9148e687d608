"""Posts in trouble: the latest are kept, and no more than so many bytes of them."""

from simulator.gateway.post_troubles import PostTroubles


def test_posts_are_told_by_body_and_what_happened_with_how_often_for_each_peer():
    troubles = PostTroubles()
    for peer, body, what in [
        ("a", b"1", "x"),
        ("b", b"1", "x"),
        ("a", b"1", "x"),
        ("a", b"1", "y"),
        ("a", b"\xff", "x"),
    ]:
        troubles.note(peer, body, what)
    assert troubles.to_json() == [
        {"body": "1", "what": "x", "peers": {"a": 2, "b": 1}},
        {"body": "1", "what": "y", "peers": {"a": 1}},
        {"body": "\ufffd", "what": "x", "peers": {"a": 1}},
    ]


def test_the_latest_posts_are_kept():
    troubles = PostTroubles(most=2)
    for number in range(5):
        troubles.note("a", b"%d" % number, "x")
    assert [each["body"] for each in troubles.to_json()] == ["3", "4"]


def test_bodies_take_no_more_than_their_room_however_often_they_are_posted():
    troubles = PostTroubles(most_bytes=10)
    for _ in range(100):
        troubles.note("a", b"12345", "x")
    troubles.note("a", b"67890", "x")
    assert [each["peers"]["a"] for each in troubles.to_json()] == [100, 1]
    troubles.note("a", b"!", "x")
    assert [each["body"] for each in troubles.to_json()] == ["67890", "!"]
    troubles.note("a", b"x" * 11, "x")
    assert troubles.to_json() == []
