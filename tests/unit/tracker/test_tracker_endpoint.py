import pytest

from tracker.errors import ConfigurationError
from tracker.fanout.endpoint import CallbackEndpoint

API = "k3v9q2d7xa.execute-api.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(f"wss://{API}/primary", f"https://{API}/primary", id="deployed"),
        pytest.param(f"wss://{API}/primary/", f"https://{API}/primary", id="trailing slash"),
        pytest.param("ws://127.0.0.1:3001/primary", "http://127.0.0.1:3001/primary", id="local"),
        pytest.param("ws://[::1]:3001/primary", "http://[::1]:3001/primary", id="IPv6"),
        pytest.param("wss://live.example.com", "https://live.example.com", id="custom domain without a stage"),
        pytest.param("wss://h:443/s", "https://h/s", id="the port that goes without saying"),
        pytest.param("ws://h/s", "http://h/s", id="plain"),
    ],
)
def test_the_callback_endpoint_is_the_same_host_over_http(url, expected):
    assert CallbackEndpoint.from_websocket_url(url).url == expected


@pytest.mark.parametrize(
    "url",
    [
        "", "primary", f"https://{API}/primary", f"wss:///{API}", "wss://h:port/s", "wss://h:99999/s", "wss://a b/s",
        "wss://user:pw@h/s", "wss://h/s?x=1", "wss://h/s#x", "wss://h/s/\r\nX: y", "wss://[::1/s",
        f"wss://{API}", f"wss://{API}/", "wss://a..b/s", f"wss://{'a' * 64}.example/s",
    ],
)  # fmt: skip
def test_anything_else_is_refused_naming_the_variable(url):
    with pytest.raises(ConfigurationError, match="AWS_WEBSOCKET_URL"):
        CallbackEndpoint.from_websocket_url(url)


def test_an_event_names_the_same_endpoint():
    assert CallbackEndpoint.from_event(API, "primary") == CallbackEndpoint.from_websocket_url(f"wss://{API}/primary")


@pytest.mark.parametrize(
    ("connection_id", "path"),
    [
        ("L0SM9cOFvHcCIhw=", "/dev/@connections/L0SM9cOFvHcCIhw%3D"),
        ("a/b?c d\r\n", "/dev/@connections/a%2Fb%3Fc%20d%0D%0A"),
        ("ø", "/dev/@connections/%C3%B8"),
    ],
)
def test_connection_ids_are_encoded_as_botocore_does(connection_id, path):
    """(C02)"""
    assert CallbackEndpoint.from_websocket_url("wss://h/dev").connection_path(connection_id) == path
