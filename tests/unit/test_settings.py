"""`--set ROOM.NAME=VALUE`: what is taken, and what is refused in one sentence."""

from dataclasses import dataclass

import pytest

from simulator.errors import InputError
from simulator.setting import listed, setting, with_values
from simulator.settings import StackSettings, all_settings


@dataclass(frozen=True, slots=True)
class Room:
    limit_s: float = setting(600.0, "seconds", row="L04", low=0.5, high=900)
    count: int = setting(5, "how many", low=1)
    loud: bool = setting(False, "say more")
    mode: str = setting("text", "kind of frame", choices=("text", "binary"))


@pytest.mark.parametrize(
    ("pair", "name", "value"),
    [
        ("room.limit_s=0.5", "limit_s", 0.5),
        ("room.count=7", "count", 7),
        ("room.loud=yes", "loud", True),
        ("room.loud=OFF", "loud", False),
        ("room.mode=binary", "mode", "binary"),
        (" room.count = 8 ", "count", 8),
    ],
)
def test_a_pair_changes_one_setting(pair, name, value):
    changed = with_values({"room": Room()}, [pair])["room"]
    assert getattr(changed, name) == value
    assert {f for f in Room.__slots__ if getattr(changed, f) != getattr(Room(), f)} <= {name}


def test_the_last_of_one_name_wins():
    assert with_values({"room": Room()}, ["room.count=2", "room.count=3"])["room"].count == 3


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("room.limit_s", "is not ROOM.NAME=VALUE"),
        ("cellar.limit_s=1", "with one of the rooms room"),
        ("room.width=1", "there is no setting room.width"),
        ("room.limit_s=soon", "write a number."),
        ("room.limit_s=nan", "write a number from 0.5 to 900"),
        ("room.limit_s=901", "from 0.5 to 900"),
        ("room.count=0", "at least 1"),
        ("room.count=1.5", "a whole number"),
        ("room.loud=perhaps", "yes or no"),
        ("room.mode=smoke", "one of text, binary"),
    ],
)
def test_a_pair_that_cannot_be_is_refused_by_name(pair, says):
    with pytest.raises(InputError, match=says.replace(".", r"\.")) as refused:
        with_values({"room": Room()}, [pair])
    assert pair in str(refused.value)


def test_every_setting_is_listed_with_its_default_and_row():
    assert [(s.name, s.default, s.about.row) for s in listed({"room": Room})] == [
        ("room.limit_s", 600.0, "L04"),
        ("room.count", 5, ""),
        ("room.loud", False, ""),
        ("room.mode", "text", ""),
    ]


def test_every_room_takes_its_own_settings():
    changed = StackSettings.from_pairs(["gateway.idle_timeout_s=2", "functions.freeze=no"])
    assert changed.gateway.idle_timeout_s == 2
    assert changed.functions.freeze is False
    assert changed.triggers == StackSettings().triggers


def test_every_default_is_within_its_own_bounds():
    for each in all_settings():
        value = "no" if each.default is False else "yes" if each.default is True else str(each.default)
        StackSettings.from_pairs([f"{each.name}={value}"])
