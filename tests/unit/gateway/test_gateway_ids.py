"""Ids in the shape that API Gateway gives them (E01, E02, E03)."""

import base64
import random
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.gateway.ids import IdFactory, is_connection_id

CANONICAL = re.compile(r"[A-Za-z0-9_-]{14}[AEIMQUYcgkosw048]=")

CAPTURED = ["L0SM9cOFvHcCIhw=", "JC1dgf9yoAMCK-g=", "SOqGjdZioAMCEeg=", "Uz7QaeXyoAMCJ5g="]


def factory(seed: int) -> IdFactory:
    return IdFactory(random.Random(seed).getrandbits)


@given(st.integers(min_value=0))
def test_E01_every_id_is_canonical_url_safe_base64_of_eleven_bytes(seed):
    ids = factory(seed)
    connection_id = ids.connection_id()
    for made in (connection_id, ids.message_id(connection_id), ids.request_id()):
        assert CANONICAL.fullmatch(made)
        assert len(base64.urlsafe_b64decode(made)) == 11
        assert base64.urlsafe_b64encode(base64.urlsafe_b64decode(made)).decode() == made


@given(st.integers(min_value=0))
def test_E01_every_connection_id_made_is_accepted(seed):
    assert is_connection_id(factory(seed).connection_id())


@pytest.mark.parametrize("captured", CAPTURED)
def test_E01_ids_captured_from_aws_are_accepted(captured):
    assert is_connection_id(captured)


def test_E01_a_non_canonical_last_character_is_accepted_as_aws_does():
    assert is_connection_id("H111mc0HywMCEEf=")
    assert CANONICAL.fullmatch("H111mc0HywMCEEf=") is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("WDGT8fY4joECJrQ=test", id="tail"),
        pytest.param("L0SM9cOFvHcCIhw", id="no padding"),
        pytest.param("L0SM9cOFvHcCIhw=\n", id="newline"),
        pytest.param("L0SM9cOFvHc/Ihw=", id="slash"),
        pytest.param("L0SM9cOFvHc+Ihw=", id="plus"),
        pytest.param("L0SM9cOFvHcCIé0=", id="not ascii"),
        pytest.param("clh3v9q2d0000qzrm", id="cuid"),
        pytest.param("6f1c2a54-0b0e-4d59-9f27-3a8d5c1e7b10", id="uuid"),
        pytest.param("bot_1", id="name"),
    ],
)
def test_C10_anything_of_another_shape_is_no_connection_id(text):
    assert not is_connection_id(text)


def test_E02_a_message_id_shares_its_last_characters_with_the_connection_id():
    ids = factory(1)
    connection_id = ids.connection_id()
    first, second = ids.message_id(connection_id), ids.message_id(connection_id)
    assert first[8:] == second[8:] == connection_id[8:]
    assert len({first, second, connection_id}) == 3


def test_E03_a_request_id_has_f_where_a_connection_id_has_c():
    ids = factory(1)
    assert ids.request_id()[8:12] == "oAMF"
    assert ids.connection_id()[8:12] == "oAMC"


def test_E03_request_ids_do_not_repeat():
    ids = factory(1)
    assert len({ids.request_id() for _ in range(2_000)}) == 2_000


def test_the_same_seed_makes_the_same_ids():
    def some(seed: int) -> list[str]:
        ids = factory(seed)
        return [ids.connection_id(), ids.request_id(), ids.uuid(), ids.trace_id(1)]

    assert some(3) == some(3)
    assert some(3) != some(4)


@given(st.integers(min_value=0))
def test_C04_the_request_header_is_a_random_uuid(seed):
    made = factory(seed).uuid()
    assert str(uuid.UUID(made)) == made
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (4, uuid.RFC_4122)


def test_E08_a_trace_id_carries_the_second_it_was_made_in():
    made = factory(1).trace_id(1_710_277_498_112)
    assert re.fullmatch(r"Root=1-65f0c37a-[0-9a-f]{24}", made)
