from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from beside_stock.wire import call_moto
from simulator.cloud.patches import apply_patches
from simulator.cloud.settings import CloudSettings

Call = Callable[..., tuple[int, dict[str, Any]]]


def forget_everything() -> None:
    dynamodb_backends.reset()
    sqs_backends.reset()


@contextmanager
def moto(*, patched: bool, settings: CloudSettings | None = None) -> Iterator[Call]:
    """Empty moto, stock or patched. The patches are taken back, since other tests of this process use stock moto."""
    forget_everything()
    try:
        if patched:
            with apply_patches(settings=settings):
                yield call_moto
        else:
            yield call_moto
    finally:
        forget_everything()


@pytest.fixture
def patched_moto() -> Iterator[Call]:
    with moto(patched=True) as call:
        yield call


@pytest.fixture
def stock_moto() -> Iterator[Call]:
    with moto(patched=False) as call:
        yield call


@pytest.fixture(scope="session")
def moto_of_both_kinds() -> Callable[..., Any]:
    return moto
