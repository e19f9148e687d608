import ast
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import vendor_message, vendor_token
from tracker.errors import InvalidTokenError
from tracker.vendor_token import MAX_LIFETIME_S, MAX_TOKEN_CHARS, make_token, read_token

SECRET, OTHER = b"current secret", b"another secret"
NOW_S = 1_710_277_498
LAST = string.ascii_letters + string.digits + "-_"

vendor_ids = st.text(alphabet=LAST, min_size=1, max_size=64)


def token(vendor_id="17", expires_at_s=NOW_S + 900, secret=SECRET):
    return make_token(vendor_id, expires_at_s=expires_at_s, secret=secret)


def read(text, secrets=(SECRET,), now_s=NOW_S):
    return read_token(text, secrets=secrets, now_s=now_s)


def test_a_token_is_as_documented():
    """The signature by openssl: printf %s v1.17.1710278398 | openssl dgst -sha256 -hmac 'current secret' -binary."""
    assert token() == "v1.17.1710278398.fm-VJI6IfXG7h1-DdzXhc2oWllPwkSGaztPEReu45uc"


@given(vendor_ids)
def test_what_was_signed_is_read(vendor_id):
    text = token(vendor_id)
    assert read(text) == vendor_id
    assert len(text) <= MAX_TOKEN_CHARS
    assert set(text) <= set(LAST + ".")  # nothing to escape in a URL


@given(vendor_ids, st.data())
def test_no_other_spelling_of_a_token_is_accepted(vendor_id, data):
    """Not the last bits of the signature either, which base64 has to spare."""
    text = token(vendor_id)
    at = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from(LAST + ".").filter(lambda drawn: drawn != text[at]))
    with pytest.raises(InvalidTokenError):
        read(text[:at] + character + text[at + 1 :])


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_nothing_else_is_a_token(text):
    with pytest.raises(InvalidTokenError, match="malformed"):
        read(text)


GOOD = token()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(GOOD + "\n", id="newline after it"),
        pytest.param(" " + GOOD, id="space before it"),
        pytest.param(GOOD + "=", id="padding"),
        pytest.param(GOOD.replace("v1", "v2"), id="another version"),
        pytest.param(GOOD.rsplit(".", 1)[0], id="no signature"),
        pytest.param(GOOD.rsplit(".", 1)[0] + ".", id="empty signature"),
        pytest.param(GOOD.replace(".17.", ".."), id="no vendor"),
        pytest.param(GOOD.replace(".17.", ".１７."), id="full-width digits"),
        pytest.param(GOOD.replace(".1710278398", ".+1710278398"), id="signed expiry"),
        pytest.param(GOOD.replace(".1710278398", ".01710278398"), id="expiry with a zero before it"),
        pytest.param(GOOD.replace(".1710278398", ".1710278398.0"), id="a part too many"),
        pytest.param("v1." + "9" * 100_000, id="very long"),
    ],
)
def test_a_malformed_token_is_refused(text):
    with pytest.raises(InvalidTokenError, match="malformed"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD.replace(".17.", ".18."), id="for another vendor"),
        pytest.param(GOOD.replace("1710278398", "1710278399"), id="for longer"),
        pytest.param(token(secret=OTHER), id="with another secret"),
        pytest.param(token(secret=b""), id="with no secret"),
        pytest.param(token(secret=OTHER, expires_at_s=1), id="expired too, which only its maker is told"),
    ],
)
def test_a_forged_token_is_refused(text):
    with pytest.raises(InvalidTokenError, match="not signed"):
        read(text)


def test_without_secrets_no_token_is_accepted():
    with pytest.raises(InvalidTokenError, match="not signed"):
        read(GOOD, secrets=())


@pytest.mark.parametrize("secrets", [(SECRET, OTHER), (OTHER, SECRET)], ids=["current", "previous"])
def test_while_the_secret_is_changed_both_are_accepted(secrets):
    assert read(GOOD, secrets) == "17"


@pytest.mark.parametrize(
    ("left_s", "reason"),
    [(0, "expired"), (-1, "expired"), (MAX_LIFETIME_S + 1, "more than 24 hours"), (10**11, "more than 24 hours")],
)
def test_a_token_outside_its_time_is_refused(left_s, reason):
    with pytest.raises(InvalidTokenError, match=reason):
        read(token(expires_at_s=NOW_S + left_s))


@pytest.mark.parametrize("left_s", [1, MAX_LIFETIME_S])
def test_the_ends_of_its_time_are_accepted(left_s):
    assert read(token(expires_at_s=NOW_S + left_s)) == "17"


def test_a_part_of_a_second_is_enough():
    assert read(token(expires_at_s=NOW_S + 1), now_s=NOW_S + 0.999) == "17"


@pytest.mark.parametrize("vendor_id", ["", "a.b", "a b", "é", "x" * 65, "17\n", "../17"])
def test_an_id_that_a_token_cannot_carry_is_refused(vendor_id):
    with pytest.raises(ValueError, match="a vendor id is"):
        token(vendor_id)


def test_signatures_are_compared_in_constant_time_and_with_every_secret(monkeypatch):
    compared = []
    genuine = vendor_token.hmac.compare_digest
    monkeypatch.setattr(vendor_token.hmac, "compare_digest", lambda a, b: compared.append(b) or genuine(a, b))
    assert read(GOOD, (SECRET, OTHER)) == "17"
    assert compared == [GOOD.rsplit(".", 1)[1]] * 2


@pytest.mark.parametrize("module", [vendor_token, vendor_message], ids=lambda module: module.__name__)
def test_the_rules_do_no_io_and_have_no_clock(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported.isdisjoint(
        {"os", "time", "random", "secrets", "logging", "boto3", "tracker.aws", "tracker.settings"}
    )
    assert {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}.isdisjoint({"now", "today"})
