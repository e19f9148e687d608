"""Stock moto draws each of a receipt handle's 185 letters by itself, which is half of what a receive costs."""

from __future__ import annotations

import string

from moto.moto_api._internal import mock_random
from moto.sqs import models

from simulator.cloud.patches.patching import Patching

_LETTERS = 185


def apply(patching: Patching) -> None:
    """Draw them all at once, from the same seeded source."""

    def generate_receipt_handle() -> str:
        return "".join(mock_random.choices(string.ascii_lowercase, k=_LETTERS))

    patching.replace(models, "generate_receipt_handle", generate_receipt_handle)
