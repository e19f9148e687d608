"""Vendor tokens of the local stack: where the secret comes from, who gets it, and what is made with it."""

from pathlib import Path

import pytest

from simulator.endpoints import Endpoints
from simulator.errors import InputError
from simulator.running import Note
from simulator.stack.model import Function
from simulator.vendor_secret import secret_for, secret_variables
from simulator.vendor_tokens import token_for
from simulator.vendors.vendor import vendor_id_of
from tracker.token_secrets import parse_secrets
from tracker.vendor_token import read_token

ENDPOINTS = Endpoints(
    "ws://127.0.0.1:1/s", None, None, {}, "http://127.0.0.1:2", "http://127.0.0.1:3", "us-east-1", {}, (), (), 1
)
SECRET = "s" * 43


def function(**environment):
    return Function("F", "f", "arn", "app.handler", "python3.13", Path(), environment=environment)


ASKING = function(VENDOR_TOKEN_SECRETS_PARAMETER="/v/s")
OTHER = function(AWS_TABLE_NAME="t")


def test_a_secret_is_drawn_anew_for_every_stack_and_strong_enough():
    drawn = {secret_for([OTHER, ASKING]) for _ in range(10)}
    assert len(drawn) == 10
    assert all(parse_secrets(secret, "here") == (secret.encode(),) for secret in drawn)


def test_a_stack_in_which_nobody_asks_has_none():
    assert secret_for([OTHER]) is None
    assert secret_for([]) is None


def test_the_templates_own_secret_is_used_for_signing_and_left_as_it_is():
    own = function(VENDOR_TOKEN_SECRETS="new old", VENDOR_TOKEN_SECRETS_PARAMETER="/v/s")
    assert secret_for([own]) == "new"
    assert secret_variables(own, "new") == {}


def test_only_who_asks_is_given_the_secret():
    assert secret_variables(ASKING, SECRET) == {"VENDOR_TOKEN_SECRETS": SECRET}
    assert secret_variables(OTHER, SECRET) == {}
    assert secret_variables(ASKING, None) == {}


@pytest.mark.parametrize(
    ("vendor", "vendor_id"),
    [("17", "17"), ("Taco Wagon", vendor_id_of("Taco Wagon")), (" taco  WAGON ", vendor_id_of("Taco Wagon"))],
)
def test_a_token_is_the_vendors_that_send_means_by_it(vendor, vendor_id):
    made = token_for(Note(ENDPOINTS, SECRET), vendor, now_s=1_000.9, lifetime_s=60)
    assert (made.vendor_id, made.expires_at_s, made.websocket_url) == (vendor_id, 1_060, "ws://127.0.0.1:1/s")
    assert read_token(made.token, secrets=[SECRET.encode()], now_s=1_001) == vendor_id


@pytest.mark.parametrize("vendor", ["", " ", "9" * 21])
def test_a_vendor_that_is_none_is_refused(vendor):
    with pytest.raises(InputError):
        token_for(Note(ENDPOINTS, SECRET), vendor, now_s=0, lifetime_s=60)


def test_a_stack_that_checks_no_tokens_has_none_to_give():
    with pytest.raises(InputError, match="checks no vendor tokens"):
        token_for(Note(ENDPOINTS), "17", now_s=0, lifetime_s=60)
