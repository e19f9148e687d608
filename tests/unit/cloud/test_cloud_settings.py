from __future__ import annotations

import pytest

from simulator.cloud.cloud import Cloud
from simulator.errors import InputError


@pytest.mark.parametrize("url", ["localhost:4566", "ftp://host", ""])
def test_an_endpoint_that_is_not_a_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is not a URL"):
        Cloud(region="us-east-1", endpoint_url=url)


async def test_an_external_endpoint_needs_no_process() -> None:
    cloud = Cloud(region="eu-west-1", endpoint_url="http://localhost:4566")
    assert await cloud.start() == "http://localhost:4566"
    assert cloud.pid is None
    assert cloud.environment() == {
        "AWS_ENDPOINT_URL": "http://localhost:4566",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    await cloud.stop()


def test_the_endpoint_is_not_known_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="await ready"):
        _ = Cloud(region="us-east-1").endpoint_url


async def test_ready_before_spawn_is_a_mistake() -> None:
    with pytest.raises(RuntimeError, match="spawn"):
        await Cloud(region="us-east-1").ready()


async def test_stopping_what_was_never_started_is_harmless() -> None:
    cloud = Cloud(region="us-east-1")
    await cloud.stop()
    await cloud.stop()
