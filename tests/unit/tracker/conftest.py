"""Whole sample events, as they are in `tests/events`."""

import copy
import json
from pathlib import Path

import pytest

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def sample():
    """Read `tests/events/{name}.json`."""

    def read(name):
        return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))

    return read


@pytest.fixture
def update(sample):
    """A valid vendor update that the test may spoil."""
    return copy.deepcopy(sample("vendor_update"))
