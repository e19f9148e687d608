import os

import pytest

from tracker import settings
from tracker.errors import ConfigurationError
from tracker.settings import read_settings


@pytest.fixture
def no_dotenv_read_yet():
    settings._load_dotenv_once.cache_clear()
    yield
    settings._load_dotenv_once.cache_clear()


def test_only_the_region_has_no_default():
    assert read_settings({"AWS_REGION": "eu-west-1"}) == settings.Settings(
        region="eu-west-1",
        connections_table="websocket-connections",
        vendors_table="vendors",
        sqs_url=None,
        websocket_url=None,
        fanout_connections=64,
    )


def test_every_variable_is_read():
    read = read_settings(
        {
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_TABLE_NAME": "c",
            "AWS_VENDOR_TABLE_NAME": "v",
            "AWS_SQS_URL": "https://sqs/q",
            "AWS_WEBSOCKET_URL": "wss://h/s",
            "FANOUT_CONNECTIONS": "8",
            "FANOUT_SLOW_SHARE": "0.5",
            "FANOUT_BATCH_FRAMES": "yes",
            "FANOUT_QUEUE_URL": "https://sqs/f",
            "FANOUT_THRESHOLD": "100",
            "FANOUT_SEGMENTS": "4",
        }
    )
    fan_out = {"fanout_connections": 8, "fanout_slow_share": 0.5, "fanout_batch_frames": True}
    beyond = {"fanout_queue_url": "https://sqs/f", "fanout_threshold": 100, "fanout_segments": 4}
    assert read == settings.Settings("eu-west-1", "c", "v", "https://sqs/q", "wss://h/s", **fan_out, **beyond)


def test_a_missing_variable_is_named():
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        read_settings({})
    with pytest.raises(ConfigurationError, match="AWS_WEBSOCKET_URL"):
        read_settings({"AWS_REGION": "r"}).require_websocket_url()
    with pytest.raises(ConfigurationError, match="AWS_SQS_URL"):
        read_settings({"AWS_REGION": "r"}).require_sqs_url()


@pytest.mark.parametrize("value", ["0", "-1", "901", "0000000640", "many", "٣", "9" * 5000, "6.4"])
def test_a_number_of_connections_that_is_none_is_refused(value):
    with pytest.raises(ConfigurationError, match="FANOUT_CONNECTIONS"):
        read_settings({"AWS_REGION": "r", "FANOUT_CONNECTIONS": value})


@pytest.mark.parametrize("value", ["1.1", "-0.1", "1e-2", "half", "0.", "9" * 5000])
def test_a_share_that_is_none_is_refused(value):
    with pytest.raises(ConfigurationError, match="FANOUT_SLOW_SHARE"):
        read_settings({"AWS_REGION": "r", "FANOUT_SLOW_SHARE": value})


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("900", 900)])
def test_a_number_of_connections_is_read_whole(value, number):
    assert read_settings({"AWS_REGION": "r", "FANOUT_CONNECTIONS": value}).fanout_connections == number


def test_a_dotenv_file_fills_in_what_the_environment_does_not_set(tmp_path, monkeypatch, no_dotenv_read_yet):
    (tmp_path / ".env").write_text("AWS_REGION=from-file\nAWS_TABLE_NAME=from-file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    monkeypatch.setattr(os, "environ", {"AWS_TABLE_NAME": "from-environment", "HOME": str(tmp_path)})
    read = read_settings()
    assert (read.region, read.connections_table) == ("from-file", "from-environment")


def test_a_dotenv_file_is_not_looked_for_inside_lambda(tmp_path, monkeypatch, no_dotenv_read_yet):
    (tmp_path / ".env").write_text("AWS_TABLE_NAME=from-file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {"AWS_REGION": "r", "AWS_LAMBDA_FUNCTION_NAME": "send_vendor"})
    assert read_settings().connections_table == "websocket-connections"
