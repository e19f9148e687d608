from __future__ import annotations

import logging

import pytest

from simulator.cloud.patches import PATCHES, Patch, apply_patches, parse_version
from simulator.cloud.patches.patching import Patching


class Base:
    colour = "red"


class Derived(Base):
    def speak(self) -> str:
        return "stock"


def test_replaced_attributes_come_back() -> None:
    with Patching() as patching:
        stock = patching.replace(Derived, "speak", lambda _self: "patched")
        patching.replace(Derived, "colour", "blue")
        patching.replace(Derived, "colour", "green")
        assert (Derived().speak(), Derived.colour) == ("patched", "green")
        assert stock(Derived()) == "stock"
    assert (Derived().speak(), Derived.colour) == ("stock", "red")
    assert "colour" not in vars(Derived)


@pytest.mark.parametrize(
    ("text", "version"),
    [("5.2.5", (5, 2, 5)), ("5.2.5.dev1", (5, 2, 5)), ("5.10", (5, 10)), ("unknown", ())],
)
def test_version(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("version", ["5.2.4", "5.2.6", "6.0", "5.2"])
def test_a_patch_that_was_not_proved_on_this_moto_is_left_out_and_says_so(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    patch = Patch("no_such_module", first=(5, 2, 5), last=(5, 2, 5))
    with caplog.at_level(logging.WARNING):
        apply_patches((patch,), version=version).undo()
    assert caplog.messages == [f"moto {version}: left out the patch no_such_module, which was proved on 5.2.5 only"]


def test_every_patch_is_listed_once() -> None:
    names = [patch.module for patch in PATCHES]
    assert len(names) == len(set(names))
    assert names.index("sqs_lock") < names.index("sqs_receive")
