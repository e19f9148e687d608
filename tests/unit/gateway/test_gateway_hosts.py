"""Which Host header is ours (C11)."""

import pytest

from simulator.gateway.hosts import is_ours


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "127.0.0.1:8080",
        "192.0.2.1",
        "[::1]:8080",
        "[2001:db8::1]",
        "localhost",
        "LOCALHOST:1",
        "api.localhost",
        "build-box:8080",
        "host.docker.internal",
        "tracker.test",
        "a.example.",
        "map.example.org",
    ],
)
def test_C11_addresses_and_names_that_are_nobodys_pass(host):
    assert is_ours(host, frozenset({"map.example.org"}))


@pytest.mark.parametrize(
    "host",
    [
        "k3v9q2d7xa.execute-api.us-east-1.amazonaws.com",
        "rebound.attacker.com:8080",
        "127.0.0.1.attacker.com",
        "attacker.com.",
        "999.0.0.1",
        "localhost.attacker.com",
        "evil.com:80:80",
    ],
)
def test_C11_somebodys_public_name_does_not(host):
    assert not is_ours(host, frozenset({"map.example.org"}))
