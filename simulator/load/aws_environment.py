"""The environment that `tracker` reads, set for as long as a run lasts.

The producer writes the vendors table with the tracker's own code, which finds DynamoDB as a handler does: by
`AWS_ENDPOINT_URL`, `AWS_REGION` and the credentials of the environment.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from tracker import aws

LOCAL_CREDENTIALS = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
"""A local stack takes any credentials, and the user may have none; the user's own never go to it."""


def is_local(aws_endpoint_url: str | None) -> bool:
    """True for anything that is not AWS itself; None is wherever the user's AWS settings point."""
    return aws_endpoint_url is not None and not (urlsplit(aws_endpoint_url).hostname or "").endswith(
        (".amazonaws.com", ".amazonaws.com.cn")
    )


@contextlib.contextmanager
def aws_environment(aws_endpoint_url: str | None, region: str) -> Iterator[None]:
    """Point `tracker.aws` at one stack; the environment is as before when the block ends."""
    before = dict(os.environ)
    if aws_endpoint_url is not None and is_local(aws_endpoint_url):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update({name.upper(): value for name, value in LOCAL_CREDENTIALS.items()})
        os.environ["AWS_ENDPOINT_URL"] = aws_endpoint_url
    os.environ.update({"AWS_REGION": region, "AWS_DEFAULT_REGION": region})
    aws.forget_clients()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        aws.forget_clients()
