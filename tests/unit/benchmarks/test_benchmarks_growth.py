"""Exponents are those of the powers that made the costs."""

import pytest

from instruments.growth import exponent


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_a_pure_power_is_found(power):
    assert exponent({size: 0.003 * size**power for size in (250, 500, 1_000, 5_000)}) == pytest.approx(power)


def test_a_constant_part_makes_the_exponent_smaller():
    assert 0.5 < exponent({size: 0.5 + 0.001 * size for size in (1_000, 10_000)}) < 1.0
