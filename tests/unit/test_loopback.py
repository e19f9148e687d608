from urllib.request import getproxies, proxy_bypass

import pytest

from simulator.loopback import is_loopback, without_proxy

LOOPBACK = "127.0.0.1,localhost,::1,[::1]"


@pytest.mark.parametrize(
    ("environment", "value"),
    [
        pytest.param({}, LOOPBACK, id="nothing given"),
        pytest.param({"NO_PROXY": ""}, LOOPBACK, id="empty"),
        pytest.param({"NO_PROXY": "corp.example, 10.0.0.1"}, f"corp.example,10.0.0.1,{LOOPBACK}", id="kept"),
        pytest.param({"NO_PROXY": "b", "no_proxy": "a"}, f"a,b,{LOOPBACK}", id="both spellings"),
        pytest.param({"no_proxy": "localhost"}, "localhost,127.0.0.1,::1,[::1]", id="named once"),
        pytest.param({"no_proxy": "*"}, "*", id="no proxy at all"),
    ],
)
def test_loopback_is_added_to_what_is_excepted(environment, value):
    assert without_proxy(environment) == {"NO_PROXY": value, "no_proxy": value}


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:1", "[::1]:8080", "::1:8080"])
def test_python_believes_it(monkeypatch, host):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    for name, value in without_proxy({}).items():
        monkeypatch.setenv(name, value)
    assert getproxies()["http"] == "http://proxy.example:3128"
    assert proxy_bypass(host)
    assert not proxy_bypass("api.example:80")


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("api.localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.5", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_only_this_machines_own_addresses_are_loopback(host, is_ours):
    assert is_loopback(host) is is_ours
