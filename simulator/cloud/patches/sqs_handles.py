"""Stock moto draws each of a receipt handle's 185 letters by itself, which is half of what a receive costs."""

from __future__ import annotations

from moto.moto_api._internal import mock_random
from moto.sqs import models

from simulator.cloud.patches.patching import Patching

_CHARACTERS = 185
_BITS_OF_ONE = 4


def apply(patching: Patching) -> None:
    """Draw them all at once, from the same seeded source. They mean nothing to anybody, so digits will do too."""

    def generate_receipt_handle() -> str:
        return f"{mock_random.getrandbits(_CHARACTERS * _BITS_OF_ONE):0{_CHARACTERS}x}"

    patching.replace(models, "generate_receipt_handle", generate_receipt_handle)
